import PithTensors
import Testing

@testable import PithWeights

@Suite struct SparseTests {
  static let rows = 2
  static let columns = 5

  static func fault(_ pointers: [UInt32], _ columns: [UInt16], _ values: [Float]) -> String? {
    Sparse.fault(
      rows: rows, columns: Self.columns, rowPointers: Bytes(copying: pointers),
      columnIndices: Bytes(copying: columns), values: Bytes(copying: values.map(Half.encode)))
  }

  @Test func rowsMayBeEmptyOrFull() {
    #expect(Self.fault([0, 0, 0], [], []) == nil)
    #expect(Self.fault([0, 0, 5], [0, 1, 2, 3, 4], [1, 2, 3, 4, 5]) == nil)
    #expect(Self.fault([0, 2, 3], [3, 4, 0], [1, 2, 3]) == nil)
  }

  @Test(
    arguments: [
      ([0, 2], [0, 1], [1, 2]), ([1, 1, 2], [0, 1], [1, 2]), ([0, 3, 2], [0, 1], [1, 2]),
      ([0, 1, 3], [0, 1], [1, 2]), ([0, 4_294_967_295, 2], [0, 1], [1, 2]), ([0, 1, 2], [0], [1, 2]),
      ([0, 2, 2], [1, 1], [1, 2]), ([0, 2, 2], [2, 1], [1, 2]), ([0, 1, 2], [0, 5], [1, 2]),
      ([0, 1, 2], [0, 1], [1, .infinity]), ([0, 1, 2], [0, 1], [.nan, 1]),
    ] as [([UInt32], [UInt16], [Float])])
  func whatIsNoMatrixIsRefused(pointers: [UInt32], columns: [UInt16], values: [Float]) {
    #expect(Self.fault(pointers, columns, values) != nil)
  }

  @Test func aSumWithOutliersDecodesToBoth() {
    let base = Sample.affine(bits: 3, groupSize: 16, symmetric: false, 7, 50, seed: 1)
    let outliers = Sample.sparse(7, 50, share: 0.05, seed: 2)
    let sum = StoredMatrix.sum(MatrixSum([base.matrix, outliers.matrix]))
    #expect(sum.decoded().values == zip(base.weights, outliers.weights).map { $0 + $1 })
    #expect(sum.byteCount == base.matrix.byteCount + outliers.matrix.byteCount)
  }
}
