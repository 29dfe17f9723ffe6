import PithWeights

extension MethodOptions {
  /// A value that an option cannot have.
  public struct ValueError: Error, Equatable, CustomStringConvertible {
    /// The option.
    public let option: Name
    /// What was given.
    public let value: String
    /// What can be given.
    public let expected: String

    /// A clause with the fault and the mend.
    public var description: String { "\(option.rawValue) is '\(value)': give \(expected)." }
  }

  /// Sets an option from its text, as recipes and the command line give it.
  ///
  /// - Throws: `ValueError` if the text is no value of the option; whether a method reads it is checked later.
  public mutating func set(_ option: Name, to text: String) throws(ValueError) {
    func fail(_ expected: String) -> ValueError {
      ValueError(option: option, value: text, expected: expected)
    }
    func whole() throws(ValueError) -> Int {
      guard let value = Int(text) else { throw fail("a whole number") }
      return value
    }
    func number() throws(ValueError) -> Float {
      guard let value = Float(text), value.isFinite else { throw fail("a number") }
      return value
    }
    func flag() throws(ValueError) -> Bool {
      guard let value = Bool(text) else { throw fail("true or false") }
      return value
    }
    func choice<T: RawRepresentable<String> & CaseIterable>(_: T.Type) throws(ValueError) -> T {
      guard let value = T(rawValue: text) else {
        throw fail("one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return value
    }
    switch option {
    case .bits: bits = try whole()
    case .groupSize:
      let size = text == "none" ? 0 : try whole()
      groupSize = size == 0 ? nil : size
    case .symmetric: symmetric = try flag()
    case .rangeSearch: rangeSearch = try choice(RangeSearch.self)
    case .doubleQuantization: doubleQuantization = try flag()
    case .tablePerRow: tablePerRow = try flag()
    case .actOrder: actOrder = try choice(ActivationOrder.self)
    case .damping: damping = try number()
    case .grid: grid = try choice(Grid.self)
    case .alpha: alpha = try number()
    case .loss: loss = try choice(QuantizationLoss.self)
    case .dimension: dimension = try whole()
    case .codebooks: codebooks = try whole()
    case .iterations: iterations = try whole()
    case .threshold: threshold = text == "none" ? nil : try number()
    case .fixedOutliers: fixedOutliers = try flag()
    case .outlierShare: outlierShare = try number()
    case .scaleBits: scaleBits = try whole()
    case .activations: activations = try choice(Activations.self)
    case .sparsity:
      guard let value = Sparsity(text) else {
        throw fail("a share from 0 to below 1, such as 0.5, or n:m such as 2:4, n zeros in m columns")
      }
      sparsity = value
    case .block:
      let shape = BlockShape(text)
      guard shape != nil || text == "none" else {
        throw fail("rows and columns such as 1x8, powers of two up to 32, or none")
      }
      block = shape
    case .scope: scope = try choice(PruningScope.self)
    case .dynamic: dynamic = try flag()
    case .rank: rank = text == "none" ? nil : try whole()
    case .seed:
      guard let value = UInt64(text) else { throw fail("a whole number, 0 or more") }
      seed = value
    }
  }

  /// An option's value as text, such that `set` gives it back.
  public func text(of option: Name) -> String {
    switch option {
    case .bits: "\(bits)"
    case .groupSize: groupSize.map { "\($0)" } ?? "none"
    case .symmetric: "\(symmetric)"
    case .rangeSearch: rangeSearch.rawValue
    case .doubleQuantization: "\(doubleQuantization)"
    case .tablePerRow: "\(tablePerRow)"
    case .actOrder: actOrder.rawValue
    case .damping: "\(damping)"
    case .grid: grid.rawValue
    case .alpha: "\(alpha)"
    case .loss: loss.rawValue
    case .dimension: "\(dimension)"
    case .codebooks: "\(codebooks)"
    case .iterations: "\(iterations)"
    case .threshold: threshold.map { "\($0)" } ?? "none"
    case .fixedOutliers: "\(fixedOutliers)"
    case .outlierShare: "\(outlierShare)"
    case .scaleBits: "\(scaleBits)"
    case .activations: activations.rawValue
    case .sparsity: sparsity.text
    case .block: block?.text ?? "none"
    case .scope: scope.rawValue
    case .dynamic: "\(dynamic)"
    case .rank: rank.map { "\($0)" } ?? "none"
    case .seed: "\(seed)"
    }
  }
}
