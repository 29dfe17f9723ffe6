import PithFactorization
import PithModels
import PithQuantization
import PithSparsity

/// What is to be done to a model: steps, each a method with options and the matrices it applies to.
///
///     let recipe = try Recipe(yaml: """
///       embedding-bits: 8
///       steps:
///         - method: rotate
///         - method: gptq
///           bits: 4
///           layers: {roles: [query, key, value]}
///         - method: gptq
///           bits: 3
///           layers: {roles: [gate, up, down], indices: 2-27}
///       """)
///
/// What `drop` names is cut out first; layers are then counted anew. A step either prepares the inputs of matrices
/// (`awq`, `smoothquant`, `rotate`) or gives them their storage. A matrix goes through all preparing steps that match
/// it, in order, and then through the last other step that matches it.
public struct Recipe: Sendable {
  /// One method with options, and where it applies.
  public struct Step: Sendable {
    /// What the step does.
    public var method: Method
    /// The method's options.
    public var options: MethodOptions
    /// The matrices that it applies to.
    public var layers: LayerSelection

    /// A step; checked when it becomes part of a recipe.
    public init(
      _ method: Method, options: MethodOptions? = nil, layers: LayerSelection = LayerSelection()
    ) {
      self.method = method
      self.options = options ?? method.defaults
      self.layers = layers
    }
  }

  /// A method of either kind.
  public enum Method: Sendable {
    /// It gives a matrix its storage.
    case quantizer(CompressionMethod)
    /// It prepares the inputs for a quantizer.
    case transform(InputTransformMethod)
  }

  /// What is cut out before the steps; nil for nothing.
  public let drop: StructuredPruning?

  /// The steps, in order.
  public let steps: [Step]

  /// Bits of the embedding and of an output head of its own, 2–8; nil to leave them as they are. Steps that name the
  /// roles `embedding` or `head` come before this.
  public let embeddingBits: Int?

  /// A recipe, checked before anything is read. A quantizer is added after preparing steps that none follows.
  ///
  /// - Throws: `RecipeError` that names the step and the option at fault.
  public init(drop: StructuredPruning? = nil, steps: [Step], embeddingBits: Int? = 8) throws(RecipeError) {
    guard drop != nil || !steps.isEmpty || embeddingBits != nil else { throw .noSteps }
    if let embeddingBits, !(2...8).contains(embeddingBits) { throw .embeddingBits(embeddingBits) }
    var steps = steps
    let hasQuantizer = steps.contains { if case .quantizer = $0.method { true } else { false } }
    if !hasQuantizer, case .transform(let last)? = steps.last?.method {
      let method = CompressionMethod.named(last.quantizer.name)!
      steps.append(Step(.quantizer(method), options: last.quantizer.options, layers: steps.last!.layers))
    }
    for (index, step) in steps.enumerated() {
      do throws(MethodError) { try step.check() } catch { throw .step(index + 1, error.description) }
      if step.needsCalibration, step.layers.roles.contains(where: { !LayerSelection.layerRoles.contains($0) })
      {
        throw .step(
          index + 1,
          "\(step.method.name) needs calibration, which only matrices of layers have: leave out the other roles."
        )
      }
    }
    self.drop = drop
    self.steps = steps
    self.embeddingBits = embeddingBits
  }

  /// Whether some step looks at calibration text.
  public var needsCalibration: Bool {
    drop?.needsCalibration == true || steps.contains(where: \.needsCalibration)
  }
}

extension Recipe.Step {
  /// Whether the step cannot do without calibration text.
  var needsCalibration: Bool {
    method.calibration == .required || method.calibration == .optional && options.usesCalibration
  }
}

extension Recipe.Method {
  /// The method called `name`, or nil.
  public static func named(_ name: String) -> Recipe.Method? {
    all.first { $0.name == name }
  }

  /// The name.
  public var name: String {
    switch self {
    case .quantizer(let method): method.name
    case .transform(let method): method.name
    }
  }

  /// One line of help.
  public var summary: String {
    switch self {
    case .quantizer(let method): method.summary
    case .transform(let method): method.summary
    }
  }

  /// The options to start from.
  public var defaults: MethodOptions {
    switch self {
    case .quantizer(let method): method.defaults
    case .transform(let method): method.defaults
    }
  }

  /// The options that the method reads.
  public var options: Set<MethodOptions.Name> {
    switch self {
    case .quantizer(let method): method.options
    case .transform(let method): method.options
    }
  }

  /// Whether the method looks at calibration text.
  public var calibration: CompressionMethod.Calibration {
    switch self {
    case .quantizer(let method): method.calibration
    case .transform(let method): method.calibration
    }
  }

  /// All methods, those that prepare first.
  public static var all: [Recipe.Method] {
    InputTransformMethod.all.map(Recipe.Method.transform)
      + (CompressionMethod.quantization + CompressionMethod.sparsity + CompressionMethod.factorization).map(
        Recipe.Method.quantizer)
  }
}

/// Why a recipe cannot be followed: one sentence with the fault and its mend.
public enum RecipeError: Error, Equatable, CustomStringConvertible {
  /// Nothing to do.
  case noSteps
  /// Bits of the embedding out of range.
  case embeddingBits(Int)
  /// A step, from 1, has a fault.
  case step(Int, String)
  /// The recipe is not written as recipes are.
  case syntax(String)
  /// An option that the method does not read.
  case unusedOption(MethodOptions.Name, method: String)
  /// A value that an option cannot have.
  case value(String)
  /// A step, from 1, matches no matrix of the model.
  case matchesNothing(Int, String)
  /// A step, from 1, gives its matrices a storage that later steps replace.
  case replaced(Int, String)
  /// A step needs a text, and none was given.
  case needsCalibration(String)
  /// The calibration has no tokens.
  case emptyCalibration(source: String)

  /// The sentence.
  public var description: String {
    switch self {
    case .noSteps: "The recipe has nothing to do: give it at least one step with a method."
    case .embeddingBits(let bits):
      "embedding-bits is \(bits): choose 2 to 8, or 0 to leave embeddings as they are."
    case .step(let index, let fault): "Step \(index) of the recipe: \(fault)"
    case .syntax(let fault): "The recipe: \(fault)"
    case .unusedOption(let option, let method):
      "\(option.rawValue) does not apply to \(method): leave it out or choose another method."
    case .value(let fault): fault
    case .matchesNothing(let index, let layers):
      "Step \(index) of the recipe matches no matrix of the model (\(layers)): --explain without the step shows all names."
    case .replaced(let index, let method):
      "Step \(index) of the recipe, \(method), has no matrix left: later steps store them all. Leave it out, or say which layers are its own."
    case .needsCalibration(let method):
      "\(method) needs calibration: give it a text with --calibration FILE, or --calibration self."
    case .emptyCalibration(let source):
      "The calibration '\(source)' has no tokens, so it shows nothing: give it a longer text."
    }
  }
}
