import ArgumentParser
import Foundation
import Pith
import PithCompression
import PithEvaluation
import PithFactorization
import PithJSON
import PithQuantization
import PithSparsity

struct Compress: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes a model smaller.",
    discussion: """
      Writes a folder that appears whole or not at all: packed weights in safetensors, configuration, tokenizer, \
      checksums, and the report card pith.json. A run that was killed goes on with --resume.

      Methods that quantize (those with * need a text, --calibration):

      \(CompressionMethod.quantization.map(Compress.line).joined(separator: "\n"))

      Methods that prune, by --sparsity, and store what stays behind a mask:

      \(CompressionMethod.sparsity.map(Compress.line).joined(separator: "\n"))

      Methods that write a weight as a product, by --rank; pith distill trains the factors:

      \(CompressionMethod.factorization.map(Compress.line).joined(separator: "\n"))

      Methods that prepare inputs; alone, the quantizer in parentheses follows:

      \(InputTransformMethod.all.map(Compress.line).joined(separator: "\n"))

        pith compress model.gguf -o small --effort some
        pith compress model.gguf -o small --target-size 60MB --calibration notes.txt
        pith compress model -o small --method gptq --bits 3 --calibration notes.txt
        pith compress model -o small --drop-layers 4 --calibration notes.txt
        pith compress model -o small --recipe steps.yaml --calibration self

      A recipe says more than one step, and where each applies; what it drops is cut out first:

        drop: {layers: 2, heads: 0.25, neurons: 0.1}
        embedding-bits: 8
        steps:
          - method: rotate
          - method: gptq
            bits: 4
            group-size: 64
          - method: gptq
            bits: 3
            layers: {roles: [gate, up], indices: 4-25}
      """)

  @OptionGroup var model: ModelArguments

  @Option(name: .shortAndLong, help: "The folder that is written.")
  var output: String

  @Option(help: "A method of the list above (default: rtn).")
  var method: String?

  @Option(help: "A YAML file with the steps.")
  var recipe: String?

  @OptionGroup(title: "Instead of a method") var goal: GoalArguments

  @OptionGroup(title: "What is cut out first") var drop: DropArguments

  @OptionGroup(title: "Method options") var options: MethodArguments

  @OptionGroup(title: "Calibration") var calibration: CalibrationArguments

  @Option(help: "Bits of the embedding and the output head, 2–8; 0 to leave them as they are (default: 8).")
  var embeddingBits: Int?

  @Option(help: "Memory for calibration rows, such as 500MB; the rest lies in a file beside the output.")
  var memory: String = "250MB"

  @Flag(help: "Say what would happen to each matrix, how large the result would be, and stop.")
  var explain = false

  @Flag(help: "Go on with a run that was killed.")
  var resume = false

  @Flag(help: "Replace the output if it exists; compress a model that is compressed already.")
  var force = false

  @Flag(help: "Leave quality and speed out of the report card.")
  var skipMeasuring = false

  func validate() throws {
    if [method != nil, recipe != nil, goal.isGiven].filter({ $0 }).count > 1 {
      throw ValidationError("Give one of --method, --recipe, and an effort or target.")
    }
    if recipe != nil, drop.isGiven {
      throw ValidationError("What is dropped belongs in the recipe: use its key 'drop'.")
    }
    if goal.hasTarget, drop.isGiven {
      throw ValidationError(
        "A target searches the model as it is: drop first, then compress what that wrote to the target.")
    }
    if goal.hasTarget, !options.isEmpty {
      throw ValidationError("A target chooses the storages: leave out the options of methods.")
    }
    if let effort = goal.effort,
      let (name, _) = options.given.first(where: { !effort.options.contains($0.0) })
    {
      let known = effort.options.isEmpty ? "it chooses itself" : "it takes --bits and --group-size"
      throw ValidationError(
        "--\(name.rawValue) does not go with --effort \(effort.rawValue): \(known); other options go with --method."
      )
    }
    if recipe != nil, !options.isEmpty { throw ValidationError("Options of methods belong in the recipe.") }
    if recipe != nil, embeddingBits != nil { throw ValidationError("embedding-bits belongs in the recipe.") }
    if goal.hasTarget, embeddingBits != nil {
      throw ValidationError("A target chooses the bits of embeddings too: leave out --embedding-bits.")
    }
    if goal.maxPerplexityIncrease != nil, skipMeasuring {
      throw ValidationError("--max-perplexity-increase must measure: leave out --skip-measuring.")
    }
    if recipe != nil, calibration.seed != nil, calibration.text == nil {
      throw ValidationError(
        "--seed draws calibration text here, and there is none: a step's seed belongs in the recipe.")
    }
    let writesText = goal.effort == .some || goal.effort == .ton || goal.hasTarget
    if calibration.text == nil, !writesText, !explain, let flag = calibration.flagOfText {
      throw ValidationError("\(flag) goes with --calibration: without it no text is read.")
    }
    if output.isEmpty { throw ValidationError("--output must name the folder that is written.") }
    if Format.bytes(memory) == nil {
      throw ValidationError("--memory must be a size with its unit, such as 500MB or 2GiB.")
    }
  }

  func run() throws {
    let target = try goal.target
    let recipe = try chosenRecipe()
    let source = try Checkpoint(path: model.model)
    let pool = model.running.pool
    try goal.tuning?.check(source, on: pool)
    if let target {
      try TargetCompression(command: self, source: source, pool: pool).meet(target)
      return
    }
    if explain {
      try Compression.preflight(recipe, source, to: nil, settings, on: pool)
      try calibration.checkFile()
      let explanation = try Explanation(
        recipe, source, tokens: calibration.calibrationTokens, memory: Format.bytes(memory)!, on: pool)
      show(explanation)
      return
    }
    let writesItself = goal.effort != nil && recipe.needsCalibration
    if calibration.text != nil || writesItself {
      try Compression.preflight(recipe, source, to: output, settings, on: pool)
    }
    let text = try calibration.load(source, pool, writingItself: writesItself)
    report(try compress(recipe, source, text, settings, pool))
  }

  /// What the compression is told by flags.
  var settings: Compression.Settings {
    Compression.Settings(
      overwrite: force, resumes: resume, measures: !skipMeasuring, tuning: goal.tuning)
  }

  /// Bits of embeddings; nil to leave them as they are.
  private var chosenEmbeddingBits: Int? { embeddingBits == 0 ? nil : embeddingBits ?? 8 }

  /// Compresses with a progress bar.
  func compress(
    _ recipe: Recipe, _ source: Checkpoint, _ text: Calibration?, _ settings: Compression.Settings,
    _ pool: ThreadPool
  ) throws -> ReportCard {
    let compression = try Compression(recipe, calibration: text, memory: Format.bytes(memory)!)
    var progress: Progress?
    return try compression.run(source, to: output, settings, on: pool) { done, total in
      if progress == nil { progress = Progress("compress", total: total) }
      progress?.update(done)
    }
  }

  /// The recipe that the flags ask for.
  private func chosenRecipe() throws -> Recipe {
    let pruning = try drop.pruning
    if let effort = goal.effort {
      let recipe = try effort.recipe(embeddingBits: chosenEmbeddingBits, options: options.given)
      return try Recipe(drop: pruning, steps: recipe.steps, embeddingBits: recipe.embeddingBits)
    }
    // What is only cut stays as it is otherwise.
    if let pruning, method == nil, options.isEmpty {
      return try Recipe(drop: pruning, steps: [], embeddingBits: embeddingBits == 0 ? nil : embeddingBits)
    }
    let recipe = try readRecipe()
    guard let pruning else { return recipe }
    return try Recipe(drop: pruning, steps: recipe.steps, embeddingBits: recipe.embeddingBits)
  }

  /// The recipe of the file, or that of one step.
  private func readRecipe() throws -> Recipe {
    if let recipe {
      let yaml = try readText(recipe, for: "--recipe")
      do throws(RecipeError) { return try Recipe(yaml: yaml) } catch {
        throw Failure.usage("\(recipe): \(error.description)")
      }
    }
    let name = method ?? "rtn"
    guard let method = Recipe.Method.named(name) else {
      let known = Recipe.Method.all.map(\.name).joined(separator: ", ")
      throw Failure.usage("--method \(name) is not one that Pith knows; choose one of \(known).")
    }
    let isRandom = method.options.contains(.seed)
    if calibration.seed != nil, calibration.text == nil, !isRandom {
      throw Failure.usage("--seed: \(name) draws nothing at random, and no text is read: leave it out.")
    }
    let seeded = isRandom ? [(MethodOptions.Name.seed, "\(calibration.seed ?? 0)")] : []
    return try Recipe(
      method: method, options: options.given + seeded,
      embeddingBits: chosenEmbeddingBits)
  }

  /// Says what was made.
  func report(_ card: ReportCard) {
    if model.json {
      var report = card.json
      report["output"] = .string(output)
      Output.json(report)
      return
    }
    sayNotes(card)
    let bits = card.size.bitsPerWeight.map { "\(Format.number($0, 3)) bits per weight in the layers, " } ?? ""
    let cut = card.cut.map { "\($0); " } ?? ""
    let matrices = card.matrices.isEmpty ? "" : "\(card.matrices.count) matrices, "
    Output.result("\(output): \(cut)\(matrices)\(bits)\(Format.megabytes(card.size.bytes)) in all")
    if let quality = card.quality, let original = card.originalPerplexity,
      let divergence = quality.klDivergence
    {
      Output.result(
        "perplexity \(Format.number(quality.perplexity)) against \(Format.number(original)) of the original, KL divergence "
          + "\(Format.number(divergence, 4)) nats, on \(quality.windows) windows of the text that calibration did not read"
      )
    }
    if card.quality == nil, card.cosine == nil, !skipMeasuring, calibration.text != nil {
      Output.say(
        "note: the quality was not measured, since calibration read the whole text: give a longer one, or fewer --calibration-tokens"
      )
    }
    if let tuning = card.tuning {
      Output.result(
        "training brought the KL divergence from \(Format.number(tuning.before, 4)) to \(Format.number(tuning.after, 4)) nats"
      )
      if let note = tuning.note { Output.say("note: \(note)") }
    }
    if let cosine = card.cosine {
      Output.result("cosine to the original's states: \(Format.number(cosine, 4))")
    }
  }

  /// Says the notes, one line for matrices of which there is the same to say.
  private func sayNotes(_ card: ReportCard) {
    var names: [String: [String]] = [:]
    var order: [String] = []
    for matrix in card.troubled {
      for note in matrix.notes {
        if names[note] == nil { order.append(note) }
        names[note, default: []].append(matrix.name)
      }
    }
    for note in order {
      let all = names[note]!
      let others = all.count > 1 ? " and \(all.count - 1) more" : ""
      Output.say("note: \(all[0])\(others): \(note)")
    }
  }

  private func show(_ explanation: Explanation) {
    if model.json {
      Output.json([
        "training_seconds": .double(goal.tuning?.seconds ?? 0),
        "matrices": .array(
          explanation.lines.map { line in
            [
              "name": .string(line.entry.name), "steps": .string(line.entry.summary),
              "storage": .string(line.storage),
              "bytes": .int(line.bytes), "seconds": .double(line.seconds),
            ]
          }),
        "pruning": explanation.pruning.map(JSONValue.string) ?? .null, "size_bytes": .int(explanation.bytes),
        "bits_per_weight": .double(explanation.bitsPerWeight),
        "seconds": .double(explanation.seconds), "peak_memory_bytes": .int(explanation.peakMemory),
      ])
      return
    }
    if let pruning = explanation.pruning { Output.result("cut out first: \(pruning)\n") }
    var table = Table(["matrix", "steps", "storage", "MB before", "MB after"])
    for line in explanation.lines {
      table.add([
        line.entry.name, line.entry.summary, line.storage, Format.number(Double(line.entry.bytes) / 1e6, 3),
        Format.number(Double(line.bytes) / 1e6, 3),
      ])
    }
    Output.result(table.text)
    Output.result(
      "\n\(Format.megabytes(explanation.bytes)) in all, \(Format.number(explanation.bitsPerWeight, 3)) bits per weight in the layers; "
        + "about \(Format.duration(explanation.seconds)) and at most \(Format.megabytes(explanation.peakMemory)) of memory"
    )
    showTuning()
  }

  /// Says how what was compressed would be trained.
  func showTuning() {
    guard let tuning = goal.tuning else { return }
    // Layers of a model that has lost some are not those of the original.
    let byLayer = drop.dropLayers == nil
    let (layers, whole) = (
      tuning.seconds(of: .layers, byLayer: byLayer), tuning.seconds(of: .whole, byLayer: byLayer)
    )
    let first = """
      \(Format.duration(layers)) in which each layer learns to give what the original's gives, where a minute brought the most when this was measured; \
      then \(Format.duration(whole)) in which
      """
    Output.result(
      """
      then \(Format.duration(tuning.seconds)) of training, all in float32:\(byLayer ? " " + first : "") all layers together learn the original's \
      probabilities. The fewer bits there are the more it pays: in 2 bits it took two fifths off the perplexity of SmolLM2-135M. What is nearest to \
      these probabilities on text that was not learned is written, so nothing gets worse.
      """)
  }

  private static func line(_ method: CompressionMethod) -> String {
    let (least, most) = (method.bits[0], method.bits[method.bits.count - 1])
    let bits =
      if method.bits.count == 1 {
        "\(least) bits"
      } else if method.bits.count == most - least + 1 {
        "\(least)–\(most) bits"
      } else {
        method.bits.map(String.init).joined(separator: ", ") + " bits"
      }
    return line(method.name + (method.calibration == .required ? "*" : ""), "\(bits): \(method.summary)")
  }

  private static func line(_ method: InputTransformMethod) -> String {
    line(
      method.name + (method.calibration == .required ? "*" : ""),
      "\(method.summary) (\(method.quantizer.name))")
  }

  private static func line(_ name: String, _ text: String) -> String {
    "  \(name)\(String(repeating: " ", count: max(1, 13 - name.count)))\(Format.wrapped(text, indent: 15))"
  }
}
