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
      throw .syntax("it is not YAML: \(Self.reason(error)).")
    }
    guard let mapping = root?.mapping else { throw .syntax("it must be a mapping with the key 'steps'.") }
    var steps: [Step] = []
    var embeddingBits: Int? = 8
    for (key, value) in mapping {
      switch key.string {
      case "steps":
        guard let list = value.sequence else { throw .syntax("'steps' must be a list.") }
        for (index, node) in list.enumerated() { steps.append(try Self.step(node, index + 1)) }
      case "embedding-bits":
        guard let bits = value.int else { throw .syntax("'embedding-bits' must be a whole number.") }
        embeddingBits = bits == 0 ? nil : bits
      default:
        throw .syntax("'\(key.string ?? "?")' is no key of a recipe: use 'steps' and 'embedding-bits'.")
      }
    }
    guard mapping["steps"] != nil || mapping["embedding-bits"] != nil else {
      throw .syntax("it has no 'steps': give it at least one with a method.")
    }
    try self.init(steps: steps, embeddingBits: embeddingBits)
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
