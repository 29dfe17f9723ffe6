import PithTensors
import PithWeights

extension VectorCodebook {
  /// Rounds of `recoded`, of which the first changes most.
  private static let sweeps = 2

  /// Codes for another weight, with the tables and scales that there are: the nearest codewords, or sums of them that are near.
  ///
  /// Of several codebooks each code is chosen anew beside the others of its sum, two rounds long, beginning with those that are there (iterated conditional
  /// modes, as in Martinez et al., *Revisiting additive quantization*, ECCV 2016, section 3).
  ///
  /// - Parameters:
  ///   - weight: rows × columns, as of this matrix.
  ///   - pool: the threads that share the work. The result does not depend on it.
  public func recoded(nearestTo weight: Matrix, on pool: ThreadPool) -> VectorCodebook {
    precondition(weight.rows == rows && weight.columns == columns, "the weight is no \(rows)×\(columns)")
    var approximation = VectorApproximation(
      rows: rows, columns: columns, layout: layout, tables: tables.halves, scales: scales?.halves)
    approximation.codes = Packing.unpack(
      codes, rows: rows, columns: layout.codesPerRow(columns), bits: layout.bits, as: UInt16.self)
    approximation.sweep(
      toward: weight, .plain(columns: columns), .conditional(sweeps: Self.sweeps), on: pool)
    return VectorCodebook(
      rows: rows, columns: columns, layout: layout,
      codes: Packing.pack(approximation.codes, rows: rows, bits: layout.bits), tables: tables,
      scales: scales)
  }
}
