import PithQuantization

extension Recipe {
  /// The recipe of one method; one that prepares is followed by its usual quantizer, and QUIK by its 8 bits for
  /// down-projections, if the bits are left to it. Options go to the step that reads them.
  ///
  /// - Throws: `RecipeError` if neither step reads an option, or a value is none of it.
  public init(
    method: Method, options: [(name: MethodOptions.Name, text: String)], embeddingBits: Int? = 8
  ) throws(RecipeError) {
    var steps = [Step(method)]
    if case .transform(let transform) = method {
      steps.append(
        Step(.quantizer(.named(transform.quantizer.name)!), options: transform.quantizer.options))
    }
    for (name, text) in options {
      guard let index = steps.firstIndex(where: { $0.method.options.contains(name) }) else {
        throw .unusedOption(name, method: method.name)
      }
      do throws(MethodOptions.ValueError) { try steps[index].options.set(name, to: text) } catch {
        throw .value(error.description)
      }
    }
    if method.name == "quik", !options.contains(where: { $0.name == .bits }) {
      // The inputs of down-projections are the hardest to quantize: QUIK takes 8 bits for both sides there.
      var down = steps[0]
      down.options.bits = 8
      down.layers.roles = [.down]
      steps.append(down)
    }
    for step in steps {
      do throws(MethodError) { try step.check() } catch { throw .value(error.description) }
    }
    try self.init(steps: steps, embeddingBits: embeddingBits)
  }
}

extension Recipe.Step {
  /// Checks the options against the method.
  func check() throws(MethodError) {
    switch method {
    case .quantizer(let method): try method.check(options)
    case .transform(let method): try method.check(options)
    }
  }
}
