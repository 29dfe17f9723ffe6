import Foundation
import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

let pool = ThreadPool(threads: 2)

/// Odd shapes and group sizes: one row, one column, groups that do not divide, groups above the columns.
struct Shape: Sendable, CustomTestStringConvertible {
  let rows: Int
  let columns: Int
  let groupSize: Int?

  var testDescription: String { "\(rows)×\(columns) in groups of \(groupSize.map(String.init) ?? "a row")" }

  static let odd: [Shape] = [
    Shape(rows: 1, columns: 1, groupSize: nil), Shape(rows: 1, columns: 1, groupSize: 1),
    Shape(rows: 7, columns: 1, groupSize: 64), Shape(rows: 1, columns: 33, groupSize: 8),
    Shape(rows: 5, columns: 17, groupSize: nil), Shape(rows: 3, columns: 100, groupSize: 33),
    Shape(rows: 4, columns: 64, groupSize: 64), Shape(rows: 13, columns: 65, groupSize: 64),
    Shape(rows: 2, columns: 9, groupSize: 1000), Shape(rows: 6, columns: 31, groupSize: 1),
  ]
}

extension Matrix {
  /// Independent normal weights.
  static func normal(rows: Int, columns: Int, seed: UInt64, scale: Float = 1) -> Matrix {
    var generator = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows, columns: columns,
      values: (0..<(rows * columns)).map { _ in scale * generator.normal() })
  }
}

extension SeededGenerator {
  /// A standard normal value (Box and Muller).
  mutating func normal() -> Float {
    let radius = (-2 * log(max(Double(uniform()), 1e-12))).squareRoot()
    return Float(radius * cos(2 * Double.pi * Double(uniform())))
  }
}

/// A method run with its defaults after a change.
func quantized(
  _ name: String, _ weight: Matrix, _ change: (inout MethodOptions) -> Void = { _ in }
) throws -> StoredMatrix {
  let method = try #require(CompressionMethod.named(name))
  var options = method.defaults
  change(&options)
  let seen = method.calibration == .none ? nil : InputStatistics.correlated(columns: weight.columns, seed: 9)
  return try method.quantize(weight, seen, options: options, on: pool).matrix
}

extension InputStatistics {
  /// Statistics of inputs that depend on one another and differ in size: x = A·z with normal z.
  static func correlated(
    columns: Int, seed: UInt64, rows: Int = 256, outliers: Bool = true
  ) -> InputStatistics {
    var observer = InputObserver(columns: columns)
    observer.add(Matrix.correlated(rows: rows, columns: columns, seed: seed, outliers: outliers))
    return observer.statistics
  }
}

extension Matrix {
  /// Rows of inputs that depend on one another: each column leans on the one before, and some are ten times larger.
  static func correlated(rows: Int, columns: Int, seed: UInt64, outliers: Bool = true) -> Matrix {
    var x = Matrix.normal(rows: rows, columns: columns, seed: seed)
    for row in 0..<rows {
      for column in 0..<columns {
        if column > 0 { x[row, column] = 0.8 * x[row, column - 1] + 0.6 * x[row, column] }
      }
      for column in stride(from: 3, to: columns, by: 11) where outliers { x[row, column] *= 10 }
    }
    return x
  }
}

/// Σ|w − ŵ|^p.
func error(_ weight: Matrix, _ stored: StoredMatrix, power: Double = 2) -> Double {
  zip(weight.values, stored.decoded().values).reduce(0) {
    $0 + pow(abs(Double($1.0) - Double($1.1)), power)
  }
}

extension StoredMatrix {
  /// The affine storage, or a failed test.
  func affine() throws -> Affine {
    guard case .affine(let storage) = self else { throw WrongStorage() }
    return storage
  }

  /// The codebook storage, or a failed test.
  func codebook() throws -> Codebook {
    guard case .codebook(let storage) = self else { throw WrongStorage() }
    return storage
  }
}

extension Affine {
  /// The float16 scales, or a failed test.
  func halfScales() throws -> [UInt16] {
    guard case .float16(let scales) = scales else { throw WrongStorage() }
    return scales.array()
  }
}

/// The method gave another storage than the test expects.
struct WrongStorage: Error {}

extension Codebook {
  /// The codes, row after row.
  var unpacked: [UInt8] { Packing.unpack(codes, rows: rows, columns: columns, bits: bits) }
}

extension Affine {
  /// The packed zero points; nil without, or where they are float16.
  var zeroCodes: Bytes? {
    if case .codes(let codes) = zeros { codes } else { nil }
  }
}
