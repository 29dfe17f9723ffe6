import PithCheckpoints
import PithModels
import PithTestSupport
import Testing

@testable import PithCompression

@Suite struct RecipeTests {
  @Test func aRecipeSaysStepsOptionsAndLayers() throws {
    let recipe = try Recipe(
      yaml: """
        embedding-bits: 4
        steps:
          - method: rotate
            layers: {roles: [query, key]}
          - method: gptq
            bits: 3
            group-size: 32
            act-order: static
          - method: nf4
            layers:
              names: ["*.mlp.*"]
              indices: [0-1, 3]
        """)
    #expect(recipe.embeddingBits == 4)
    #expect(recipe.steps.map(\.method.name) == ["rotate", "gptq", "nf4"])
    #expect(recipe.steps[0].layers.roles == [.query, .key])
    #expect(recipe.steps[1].options.bits == 3 && recipe.steps[1].options.actOrder == .static)
    #expect(recipe.steps[2].layers.indices == [0...1, 3...3])
    #expect(recipe.needsCalibration)
  }

  @Test(arguments: [
    ("steps: [{method: magic}]", "'magic' is no method"),
    ("steps: [{method: rtn, colour: red}]", "'colour' is no key of rtn"),
    ("steps: [{method: rtn, bits: many}]", "bits is 'many'"),
    ("steps: [{method: rtn, bits: 9}]", "bits is 9"),
    ("steps: [{method: nf4, symmetric: true}]", "'symmetric' is no key of nf4"),
    ("steps: [{method: rtn, layers: {roles: [sun]}}]", "'sun' is no role"),
    ("steps: [{method: rtn, layers: {indices: 5-2}}]", "'5-2' names no layers"),
    ("steps: [{method: rtn, layers: {where: here}}]", "'where' is no key of 'layers'"),
    ("steps: [{method: rtn}]\nfast: yes", "'fast' is no key of a recipe"),
    ("steps: [{method: gptq, layers: {roles: [embedding]}}]", "needs calibration"),
    ("steps: []", "at least one"), ("steps: {", "it is not YAML"), ("7", "must be a mapping"),
    ("embedding-bits: 1", "embedding-bits is 1"),
    ("embedding-bits: 0", "nothing to do"), ("{}", "no 'steps'"), ("drop: 3", "'drop' must be a mapping"),
    ("drop: {layers: 0}", "Nothing is to be dropped"), ("drop: {heads: 1.5}", "below 1"),
    ("drop: {neurons: many}", "must be a share"), ("drop: {score: best}", "'best' is no score"),
    ("drop: {rows: 1}", "'rows' is no key of 'drop'"),
    (
      "steps: [{method: rtn, bits: 3, bits: 4}]",
      "duplicated key(s): 'bits'; see pith compress --help for one."
    ),
  ])
  func faultsAreNamed(yaml: String, fault: String) {
    let error = #expect(throws: RecipeError.self) { try Recipe(yaml: yaml) }
    #expect(error?.description.contains(fault) == true, "\(error?.description ?? "")")
  }

  @Test func aStepThatMatchesNothingIsNamed() throws {
    let contents = ModelContents(try Checkpoint(path: Fixtures.path("models/llama")).model())
    let recipe = try Recipe(
      yaml: "steps: [{method: rtn}, {method: rtn, bits: 3, layers: {names: [nowhere.*]}}]")
    let error = #expect(throws: RecipeError.self) { try Plan(recipe, for: contents) }
    #expect(error?.description.contains("Step 2") == true && error?.description.contains("nowhere.*") == true)
  }

  @Test func aLayerThatIsNotThereIsNamed() throws {
    let contents = ModelContents(try Checkpoint(path: Fixtures.path("models/llama")).model())
    let layers = 1 + contents.maps.compactMap(\.map.place.layer).max()!
    let recipe = try Recipe(yaml: "steps: [{method: rtn, layers: {indices: 0-\(layers)}}]")
    let error = #expect(throws: RecipeError.self) { try Plan(recipe, for: contents) }
    #expect(error?.description.contains("layer \(layers) is not there") == true)
  }

  @Test func aStepWhoseMatricesAreAllStoredByLaterOnesIsNamed() throws {
    let contents = ModelContents(try Checkpoint(path: Fixtures.path("models/llama")).model())
    let lost = try Recipe(yaml: "steps: [{method: magnitude}, {method: rotate}, {method: rtn, bits: 3}]")
    #expect(throws: RecipeError.replaced(1, "magnitude")) { try Plan(lost, for: contents) }
    _ = try Plan(
      Recipe(yaml: "steps: [{method: magnitude}, {method: rtn, layers: {indices: 0}}]"), for: contents)
  }

  @Test func theLastQuantizerThatMatchesWins() throws {
    let contents = ModelContents(try Checkpoint(path: Fixtures.path("models/llama")).model())
    let recipe = try Recipe(
      yaml: """
        steps:
          - {method: rotate, layers: {roles: [down]}}
          - {method: rtn, bits: 4}
          - {method: rtn, bits: 2, layers: {indices: 0}}
        """)
    let plan = try Plan(recipe, for: contents)
    for entry in plan.entries where entry.place.layer != nil {
      #expect(entry.quantizer?.options.bits == (entry.place.layer == 0 ? 2 : 4))
      #expect(entry.transforms.map(\.method.name) == (entry.place.role == .down ? ["rotate"] : []))
    }
    #expect(plan.entries[0].quantizer?.options.bits == 8)
  }

  @Test func quikTakesEightBitsForDownProjections() throws {
    let method = try #require(Recipe.Method.named("quik"))
    let steps = try Recipe(method: method, options: [(.outlierShare, "0.1")]).steps
    #expect(steps.map(\.options.bits) == [4, 8] && steps[1].layers.roles == [.down])
    #expect(steps.allSatisfy { $0.options.outlierShare == 0.1 })
    #expect(try Recipe(method: method, options: [(.bits, "4")]).steps.count == 1)
  }

  @Test func aPreparingStepAloneIsFollowedByItsQuantizer() throws {
    let recipe = try Recipe(yaml: "steps: [{method: smoothquant, alpha: 0.75}]")
    #expect(recipe.steps.map(\.method.name) == ["smoothquant", "rtn"])
  }

  @Test(arguments: [
    ("model.layers.0.x", "model.*.x", true), ("ab", "a", false), ("abc", "*", true), ("", "*", true),
    ("abc", "a*d", false),
  ])
  func patternsMatchNames(name: String, pattern: String, matches: Bool) {
    let selection = LayerSelection(names: [pattern])
    #expect(selection.contains(Place(.query, layer: 0), name: name) == matches)
  }
}
