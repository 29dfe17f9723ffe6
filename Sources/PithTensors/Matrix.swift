/// A dense float32 matrix in row-major order: activations (one row per token), or a decoded weight.
public struct Matrix: Sendable, Equatable {
  /// The number of rows.
  public let rows: Int

  /// The number of columns.
  public let columns: Int

  /// `rows × columns` values, row after row.
  public var values: [Float]

  /// A matrix with the given values, row after row.
  ///
  /// - Precondition: `values.count == rows * columns`.
  public init(rows: Int, columns: Int, values: [Float]) {
    precondition(values.count == rows * columns, "\(values.count) values for \(rows)×\(columns)")
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  /// A matrix of zeros.
  public init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, values: [Float](repeating: 0, count: rows * columns))
  }

  /// A matrix whose memory `fill` writes completely.
  @inlinable
  public init(rows: Int, columns: Int, fill: (UnsafeMutableBufferPointer<Float>) -> Void) {
    self.init(
      rows: rows, columns: columns,
      values: [Float](unsafeUninitializedCapacity: rows * columns) { buffer, filled in
        fill(UnsafeMutableBufferPointer(rebasing: buffer[..<(rows * columns)]))
        filled = rows * columns
      })
  }

  /// The value at a row and column.
  @inlinable
  public subscript(row: Int, column: Int) -> Float {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  /// The values of one row.
  public subscript(row row: Int) -> ArraySlice<Float> { values[(row * columns)..<((row + 1) * columns)] }
}
