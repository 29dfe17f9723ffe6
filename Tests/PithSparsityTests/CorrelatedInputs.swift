import PithQuantization
import PithSparsity
import PithTensors

/// A weight, and inputs that depend on one another and differ in size.
struct CorrelatedInputs {
  let weight: Matrix
  let statistics: InputStatistics

  static let pool = ThreadPool(threads: 2)

  init(rows: Int, columns: Int, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    // The sum of twelve is normal enough.
    func normal() -> Float { (0..<12).reduce(Float(-6)) { sum, _ in sum + generator.uniform() } }
    func matrix(_ rows: Int, _ columns: Int) -> Matrix {
      Matrix(rows: rows, columns: columns, values: (0..<(rows * columns)).map { _ in normal() })
    }
    weight = matrix(rows, columns)
    let sizes = (0..<columns).map { $0 % 7 == 3 ? Float(6) : 0.5 + Float($0 % 5) / 4 }
    let mixed = matrix(4 * columns, max(columns / 3, 1))
    let directions = matrix(max(columns / 3, 1), columns)
    var inputs = matrix(4 * columns, columns)
    for row in 0..<inputs.rows {
      for column in 0..<columns {
        let common = (0..<mixed.columns).reduce(Float(0)) { $0 + mixed[row, $1] * directions[$1, column] }
        inputs[row, column] =
          sizes[column] * (common / Float(mixed.columns).squareRoot() + inputs[row, column] / 2)
      }
    }
    var observer = InputObserver(columns: columns)
    observer.add(inputs)
    statistics = observer.statistics
  }

  /// The relative layer loss of a pruning method with its defaults after a change, and what it made.
  func run(
    _ name: String, _ change: (inout MethodOptions) -> Void = { _ in }
  ) throws -> (loss: Double, result: CompressedMatrix) {
    let method = CompressionMethod.sparsity.first { $0.name == name }!
    var options = method.defaults
    change(&options)
    let result = try method.quantize(weight, statistics, options: options, on: Self.pool)
    return (statistics.relativeLoss(of: result.matrix.decoded(), to: weight), result)
  }
}
