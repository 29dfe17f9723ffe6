import PithModels
import PithTensors
import PithWeights

/// The name of a value that training changes.
public enum ParameterName: Hashable, Sendable {
  /// The matrix of a linear map, or a table.
  case weight(Place)
  /// One of the matrices that the matrix of a linear map is made of: factors, cores, what a mask keeps, or gates.
  case factor(Place, Int)
  /// The logarithms of the variances of the matrix of a linear map.
  case variance(Place)
  /// The bias of a linear map.
  case bias(Place)
  /// The scales of a norm.
  case scale(NormPlace)
  /// What a norm adds.
  case shift(NormPlace)
}

extension ParameterName: CustomStringConvertible {
  /// Such as `the weight of query in layer 3`.
  public var description: String {
    switch self {
    case .factor(let place, let index):
      "factor \(index + 1) of the weight of \(place.role.rawValue)\(Self.layer(place.layer))"
    case .weight(let place): "the weight of \(place.role.rawValue)\(Self.layer(place.layer))"
    case .variance(let place): "the variance of \(place.role.rawValue)\(Self.layer(place.layer))"
    case .bias(let place): "the bias of \(place.role.rawValue)\(Self.layer(place.layer))"
    case .scale(let place): "the norm \(place.role.rawValue)\(Self.layer(place.layer))"
    case .shift(let place): "the norm's bias \(place.role.rawValue)\(Self.layer(place.layer))"
    }
  }

  private static func layer(_ layer: Int?) -> String { layer.map { " in layer \($0)" } ?? "" }
}

/// A value that training changes, and the gradient of the loss with respect to it.
public struct Parameter: Sendable {
  /// The name.
  public let name: ParameterName
  /// The value; a vector is one row.
  public internal(set) var value: Matrix
  /// The sum of the gradients since they were last cleared.
  public internal(set) var gradient: Matrix
  /// Whether weight decay pulls it towards 0: matrices alone, and none whose values are codes.
  public let decays: Bool
  /// A learning rate of its own, for what is no value of the model; nil for the training's.
  public let rate: Float?

  init(_ name: ParameterName, _ value: Matrix, decays: Bool, rate: Float? = nil) {
    self.name = name
    self.value = value
    self.decays = decays
    self.rate = rate
    gradient = Matrix(rows: value.rows, columns: value.columns)
  }
}

/// The parameters of a model, in the order in which a batch meets them.
///
/// Weights that are products, tensor trains, or stored behind a mask stay so: what they are made of is trained. So do integers and codes: what
/// is trained is what they are rounded from, and what they stand for. Of other packed weights it is what they decode to, in float32.
public final class Parameters {
  /// All of them.
  public internal(set) var list: [Parameter]

  /// The places in the list of what says how weights are compressed: themselves, their gates, or their variances.
  let compressed: [Int]
  /// What gates and noise are drawn from; nil where nothing is drawn.
  private(set) var noise: UInt64?
  /// Which part of a step is on its way; each has noise of its own.
  var part = 0

  private let places: [ParameterName: Int]
  private let compression: TrainingRecipe.Compression?
  /// Weights that no longer change, by their places in the list, as they are stored.
  private var frozen: [Int: StoredMatrix] = [:]
  private var composed: [ParameterName: Composed] = [:]
  /// σ² of each weight that has variances.
  private var variances: [ParameterName: Matrix] = [:]

  /// A weight that is made of parameters.
  private struct Composed {
    let composition: Composition
    let factors: Range<Int>
    var value: Matrix
    var gradient: Matrix

    /// Whether it is another weight for each step.
    var isDrawn: Bool { composition.isGated }
  }

  /// The parameters of a model's maps and norms.
  ///
  /// - Parameters:
  ///   - trains: which of them are to change; the others stay with the model.
  ///   - originals: what weights that are integers were before, where that is known: those that lie near the border of two integers go
  ///     over to the other one first.
  ///   - compression: what is compressed of the weights while they learn; those that are not plain stay as they are.
  public init(
    _ model: some Transformer, where trains: (ParameterName) -> Bool = { _ in true },
    near originals: (Place) -> StoredMatrix? = { _ in nil }, compression: TrainingRecipe.Compression? = nil,
    on pool: ThreadPool? = nil
  ) {
    var list: [Parameter] = []
    var compressed: [Int] = []
    func add(_ name: ParameterName, _ value: @autoclosure () -> Matrix, decays: Bool = false) {
      guard trains(name) else { return }
      list.append(Parameter(name, value(), decays: decays))
    }
    var composed: [ParameterName: Composed] = [:]
    for map in model.maps {
      let name = ParameterName.weight(map.place)
      let goes = trains(name) ? compression?.learned(of: map, headDimension: model.headDimension) : nil
      // Of a weight that is all gone nothing is left to learn.
      if case .masked(let masked) = map.weight, masked.count == 0 {
        if let bias = map.bias { add(.bias(map.place), Matrix(rows: 1, columns: bias.count, values: bias)) }
        continue
      }
      var made =
        trains(name)
        ? Composition.of(map.weight, near: originals(map.place)?.decoded(on: pool), on: pool) : nil
      if made == nil, case .gates(let grid) = goes {
        made = (.gated(grid), grid.factors(of: map.weight.decoded(on: pool)))
      }
      if let (composition, factors) = made {
        let first = list.count
        for (index, factor) in factors.enumerated() {
          let isGate = composition.isGated && index == 1
          if isGate { compressed.append(list.count) }
          list.append(
            Parameter(
              .factor(map.place, index), factor, decays: composition.decays(index),
              rate: isGate ? TrainingRecipe.Compression.rate : nil))
        }
        let (rows, columns) = (map.weight.rows, map.weight.columns)
        composed[name] = Composed(
          composition: composition, factors: first..<list.count,
          value: composition.weight(factors, rows: rows, columns: columns, on: pool),
          gradient: Matrix(rows: rows, columns: columns))
      } else {
        if case .weights = goes { compressed.append(list.count) }
        add(name, map.weight.decoded(on: pool), decays: true)
        if case .variances = goes {
          compressed.append(list.count)
          let start = [Float](
            repeating: VariationalDropout.start, count: map.weight.rows * map.weight.columns)
          list.append(
            Parameter(
              .variance(map.place), Matrix(rows: map.weight.rows, columns: map.weight.columns, values: start),
              decays: false, rate: TrainingRecipe.Compression.rate))
        }
      }
      if let bias = map.bias { add(.bias(map.place), Matrix(rows: 1, columns: bias.count, values: bias)) }
    }
    for norm in model.norms {
      add(.scale(norm.place), Matrix(rows: 1, columns: norm.weight.count, values: norm.weight))
      if case .layer(let shift) = norm.kind {
        add(.shift(norm.place), Matrix(rows: 1, columns: shift.count, values: shift))
      }
    }
    self.list = list
    self.compressed = compressed
    self.compression = compression
    self.composed = composed
    places = Dictionary(uniqueKeysWithValues: list.enumerated().map { ($1.name, $0) })
  }

  /// The number of values.
  public var count: Int { list.reduce(0) { $0 + $1.value.values.count } }

  /// The value of a parameter; nil if it is none.
  public func value(_ name: ParameterName) -> Matrix? {
    places[name].map { list[$0].value } ?? composed[name]?.value
  }

  /// Whether there is such a parameter, or a weight made of some.
  public func contains(_ name: ParameterName) -> Bool { places[name] != nil || composed[name] != nil }

  /// Sets all gradients to 0.
  public func clearGradients() {
    for name in composed.keys {
      composed[name]!.gradient.values.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }
    for index in list.indices {
      list[index].gradient.values.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }
  }

  /// Whether a parameter no longer changes.
  func isFrozen(_ place: Int) -> Bool { frozen[place] != nil }

  /// Lets a weight be what is stored of it from now on.
  func freeze(_ place: Int, as stored: StoredMatrix) {
    frozen[place] = stored
    list[place].value = stored.decoded()
  }

  /// How a parameter is stored.
  func stored(_ place: Int) -> StoredMatrix { frozen[place] ?? .dense(Dense(list[place].value)) }

  /// Changes the gradient of a parameter, if it is one that changes.
  func accumulate(_ name: ParameterName, _ body: (inout Matrix) -> Void) {
    if let index = places[name] {
      if isFrozen(index) { return }
      body(&list[index].gradient)
    } else if composed[name] != nil {
      body(&composed[name]!.gradient)
    }
  }

  /// Forms the weights that are made of parameters anew; needed once those have changed.
  func compose(on pool: ThreadPool) {
    for (name, weight) in composed where noise == nil || !weight.isDrawn { form(name, weight, on: pool) }
  }

  private func form(_ name: ParameterName, _ weight: Composed, on pool: ThreadPool) {
    let factors = list[weight.factors].map(\.value)
    composed[name]!.value = weight.composition.weight(
      factors, rows: weight.value.rows, columns: weight.value.columns, noise: noise(of: weight), on: pool)
  }

  /// Draws gates and noise for a step; without a seed all is as in use.
  func draw(_ seed: UInt64?, on pool: ThreadPool) {
    noise = seed
    for (name, weight) in composed where weight.isDrawn { form(name, weight, on: pool) }
    for index in list.indices {
      guard case .variance(let place) = list[index].name else { continue }
      variances[.weight(place)] = seed == nil ? nil : list[index].value.exponential(on: pool)
    }
  }

  /// What a weight makes of its inputs before it multiplies them.
  func seen(_ x: Matrix, by name: ParameterName, on pool: ThreadPool) -> Matrix {
    composed[name]?.composition.seen(x, on: pool) ?? x
  }

  /// The seed of the gates of a weight.
  private func noise(of weight: Composed) -> UInt64? { seed(at: weight.factors.lowerBound) }

  /// What is drawn from at a place of the list.
  private func seed(at place: Int) -> UInt64? { noise.map { $0 &+ UInt64(place) &* 0xE703_7ED1_A0B4_28DB } }

  /// σ² of a weight, and what its noise is drawn from; nil for one that has none.
  func variance(of name: ParameterName) -> (values: Matrix, seed: UInt64)? {
    guard let values = variances[name], let seed = places[name].flatMap(seed) else { return nil }
    return (values, seed &+ UInt64(part) &* 0x8CB9_2BA7_2F3D_8DD7)
  }

  /// Carries the gradients of weights that are made of parameters back to those, and clears them.
  func carryBack(on pool: ThreadPool) {
    for (name, weight) in composed {
      var gradients = list[weight.factors].map(\.gradient)
      for index in weight.factors { list[index].gradient = Matrix(rows: 0, columns: 0) }
      weight.composition.carryBack(
        weight.gradient, list[weight.factors].map(\.value), noise: noise(of: weight), into: &gradients,
        on: pool)
      for (index, gradient) in zip(weight.factors, gradients) { list[index].gradient = gradient }
      composed[name]!.gradient.values.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }
  }

  /// The weights of a norm as they are now.
  func resolved(_ norm: Norm) -> Norm {
    let weight = value(.scale(norm.place))?.values ?? norm.weight
    guard case .layer(let bias) = norm.kind else {
      return Norm(norm.kind, weight: weight, epsilon: norm.epsilon, at: norm.place)
    }
    let shift = value(.shift(norm.place))?.values ?? bias
    return Norm(.layer(bias: shift), weight: weight, epsilon: norm.epsilon, at: norm.place)
  }

  /// A map with its weight and bias as they are now.
  func resolved(_ map: Linear, on pool: ThreadPool?) -> Linear {
    let name = ParameterName.weight(map.place)
    let made = composed[name].map { $0.composition.stored(list[$0.factors].map(\.value), on: pool) }
    return Linear(
      made ?? places[name].flatMap { frozen[$0] } ?? value(name).map { plain($0, at: map.place) }
        ?? map.weight,
      bias: value(.bias(map.place))?.values ?? map.bias, at: map.place)
  }

  /// A weight without what is gone of it.
  private func plain(_ value: Matrix, at place: Place) -> StoredMatrix {
    guard case .sparsity(let sparsity) = compression, sparsity.method != .l0, place.layer != nil else {
      return .dense(Dense(value))
    }
    guard let variance = self.value(.variance(place)) else { return .smallest(of: value) }
    var value = value
    for index in value.values.indices
    where VariationalDropout.logAlpha(value.values[index], variance.values[index])
      > VariationalDropout.threshold
    {
      value.values[index] = 0
    }
    return .smallest(of: value)
  }

  /// The decoder with these values.
  public func applied(to decoder: Decoder, on pool: ThreadPool? = nil) -> Decoder {
    decoder.mapping(maps: { resolved($0, on: pool) }, norms: resolved)
  }

  /// The encoder with these values.
  public func applied(to encoder: Encoder, on pool: ThreadPool? = nil) -> Encoder {
    encoder.mapping(maps: { resolved($0, on: pool) }, norms: resolved)
  }
}
