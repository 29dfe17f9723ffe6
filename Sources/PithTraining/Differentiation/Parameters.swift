import PithModels
import PithTensors
import PithWeights

/// The name of a value that training changes.
public enum ParameterName: Hashable, Sendable {
  /// The matrix of a linear map, or a table.
  case weight(Place)
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
    case .weight(let place): "the weight of \(place.role.rawValue)\(Self.layer(place.layer))"
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

  /// Whether weight decay pulls it towards 0: matrices alone.
  public var decays: Bool { if case .weight = name { true } else { false } }
}

/// The parameters of a model, in the order in which a batch meets them.
///
/// Of a packed model they are what its weights decode to: training is in float32.
public final class Parameters {
  /// All of them.
  public internal(set) var list: [Parameter]

  private let places: [ParameterName: Int]

  /// The parameters of a model's maps and norms.
  ///
  /// - Parameter trains: which of them are to change; the others stay with the model.
  public init(
    _ model: some Transformer, where trains: (ParameterName) -> Bool = { _ in true },
    on pool: ThreadPool? = nil
  ) {
    var list: [Parameter] = []
    func add(_ name: ParameterName, _ value: @autoclosure () -> Matrix) {
      guard trains(name) else { return }
      let value = value()
      list.append(
        Parameter(name: name, value: value, gradient: Matrix(rows: value.rows, columns: value.columns)))
    }
    for map in model.maps {
      add(.weight(map.place), map.weight.decoded(on: pool))
      if let bias = map.bias { add(.bias(map.place), Matrix(rows: 1, columns: bias.count, values: bias)) }
    }
    for norm in model.norms {
      add(.scale(norm.place), Matrix(rows: 1, columns: norm.weight.count, values: norm.weight))
      if case .layer(let shift) = norm.kind {
        add(.shift(norm.place), Matrix(rows: 1, columns: shift.count, values: shift))
      }
    }
    self.list = list
    places = Dictionary(uniqueKeysWithValues: list.enumerated().map { ($1.name, $0) })
  }

  /// The number of values.
  public var count: Int { list.reduce(0) { $0 + $1.value.values.count } }

  /// The value of a parameter; nil if it is none.
  public func value(_ name: ParameterName) -> Matrix? { places[name].map { list[$0].value } }

  /// Whether there is such a parameter.
  public func contains(_ name: ParameterName) -> Bool { places[name] != nil }

  /// Sets all gradients to 0.
  public func clearGradients() {
    for index in list.indices {
      list[index].gradient.values.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }
  }

  /// Changes the gradient of a parameter, if it is one.
  func accumulate(_ name: ParameterName, _ body: (inout Matrix) -> Void) {
    if let index = places[name] { body(&list[index].gradient) }
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
  func resolved(_ map: Linear) -> Linear {
    Linear(
      value(.weight(map.place)).map { .dense(Dense($0)) } ?? map.weight,
      bias: value(.bias(map.place))?.values ?? map.bias, at: map.place)
  }

  /// The decoder with these values.
  public func applied(to decoder: Decoder) -> Decoder { decoder.mapping(maps: resolved, norms: resolved) }

  /// The encoder with these values.
  public func applied(to encoder: Encoder) -> Encoder { encoder.mapping(maps: resolved, norms: resolved) }
}
