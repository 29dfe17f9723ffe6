import PithModels
import PithQuantization
import Yams

extension Recipe {
  /// A recipe from its YAML text.
  ///
  /// - Throws: `RecipeError` naming an unknown key, method, role or value.
  public init(yaml: String) throws(RecipeError) {
    let root: Node?
    do { root = try Yams.compose(yaml: yaml) } catch {
      throw .syntax(
        "it is not YAML, as its lines from there on show: \(Self.reason(error)); see pith compress --help for one."
      )
    }
    guard let mapping = root?.mapping else { throw .syntax("it must be a mapping with the key 'steps'.") }
    var steps: [Step] = []
    var embeddingBits: Int? = 8
    var drop: StructuredPruning?
    for (key, value) in mapping {
      switch key.string {
      case "steps":
        guard let list = value.sequence, !list.isEmpty else {
          throw .syntax("'steps' must be a list of at least one; a recipe may do without the key.")
        }
        for (index, node) in list.enumerated() { steps.append(try Self.step(node, index + 1)) }
      case "embedding-bits":
        guard let bits = value.int else { throw .syntax("'embedding-bits' must be a whole number.") }
        embeddingBits = bits == 0 ? nil : bits
      case "drop": drop = try Self.drop(value)
      default:
        throw .syntax(
          "'\(key.string ?? "?")' is no key of a recipe: use 'drop', 'steps' and 'embedding-bits'.")
      }
    }
    guard ["steps", "embedding-bits", "drop"].contains(where: { mapping[$0] != nil }) else {
      throw .syntax("it has no 'steps': give it at least one with a method.")
    }
    // What is only cut stays as it is otherwise.
    if steps.isEmpty, mapping["embedding-bits"] == nil { embeddingBits = drop == nil ? 8 : nil }
    try self.init(drop: drop, steps: steps, embeddingBits: embeddingBits)
  }

  private static func drop(_ node: Node) throws(RecipeError) -> StructuredPruning {
    guard let mapping = node.mapping else {
      throw .syntax("'drop' must be a mapping with 'layers', 'heads', 'neurons' or 'score'.")
    }
    var (layers, heads, neurons, score) = (0, 0.0, 0.0, StructuredPruning.Score.secondOrder)
    for (key, value) in mapping {
      switch key.string {
      case "layers":
        guard let count = value.int else { throw .syntax("'layers' to drop must be a whole number.") }
        layers = count
      case "heads", "neurons":
        guard let share = value.float else { throw .syntax("'\(key.string!)' to drop must be a share.") }
        if key.string == "heads" { heads = share } else { neurons = share }
      case "score":
        guard let known = StructuredPruning.Score(rawValue: value.string ?? "") else {
          throw .syntax("'\(value.string ?? "?")' is no score: choose second-order or magnitude.")
        }
        score = known
      default:
        throw .syntax("'\(key.string ?? "?")' is no key of 'drop': use layers, heads, neurons, score.")
      }
    }
    return try StructuredPruning(layers: layers, heads: heads, neurons: neurons, score: score)
  }

  private static func step(_ node: Node, _ index: Int) throws(RecipeError) -> Step {
    guard let mapping = node.mapping, let name = mapping["method"]?.string else {
      throw .step(index, "it must be a mapping with the key 'method'.")
    }
    guard let method = Method.named(name) else {
      let known = Method.all.map(\.name).joined(separator: ", ")
      throw .step(index, "'\(name)' is no method: choose one of \(known).")
    }
    var step = Step(method)
    for (key, value) in mapping {
      let key = key.string ?? "?"
      switch key {
      case "method": break
      case "layers": step.layers = try selection(value, index)
      default:
        guard let option = MethodOptions.Name(rawValue: key), method.options.contains(option) else {
          let known = (["layers"] + method.options.map(\.rawValue)).sorted().joined(separator: ", ")
          throw .step(index, "'\(key)' is no key of \(name): use \(known).")
        }
        guard let text = value.scalar?.string else { throw .step(index, "'\(key)' must be a single value.") }
        do throws(MethodOptions.ValueError) { try step.options.set(option, to: text) } catch {
          throw .step(index, error.description)
        }
      }
    }
    return step
  }

  private static func selection(_ node: Node, _ index: Int) throws(RecipeError) -> LayerSelection {
    guard let mapping = node.mapping else {
      throw .step(index, "'layers' must be a mapping with 'roles', 'names' or 'indices'.")
    }
    var selection = LayerSelection()
    for (key, value) in mapping {
      let texts = value.sequence.map { $0.compactMap { $0.scalar?.string } } ?? [value.scalar?.string ?? ""]
      switch key.string {
      case "roles":
        var roles: Set<Place.Role> = []
        for text in texts {
          guard let role = Place.Role(rawValue: text) else {
            let known = Place.Role.allCases.map(\.rawValue).joined(separator: ", ")
            throw .step(index, "'\(text)' is no role: choose of \(known).")
          }
          roles.insert(role)
        }
        selection.roles = roles
      case "names": selection.names = texts
      case "indices":
        var indices: [ClosedRange<Int>] = []
        for text in texts {
          guard let ranges = LayerSelection.indices(text) else {
            throw .step(index, "'\(text)' names no layers: write 3, or 0-7, or a list of these.")
          }
          indices += ranges
        }
        selection.indices = indices
      default:
        throw .step(index, "'\(key.string ?? "?")' is no key of 'layers': use roles, names, indices.")
      }
    }
    return selection
  }

  /// The parser's reason without its excerpt.
  private static func reason(_ error: any Error) -> String {
    var reason = "\(error)".split(separator: "\n").first.map(String.init) ?? "unreadable"
    while reason.hasSuffix(".") { reason.removeLast() }
    return reason
  }
}
