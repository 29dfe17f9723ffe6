/// The rows and columns of a block of weights that stay or go together, such as 1×8: powers of two up to 32, not both 1.
public struct BlockShape: Sendable, Equatable {
  /// The number of rows.
  public let rows: Int
  /// The number of columns.
  public let columns: Int

  /// A shape; nil if it is none.
  public init?(rows: Int, columns: Int) {
    let isKnown = { (size: Int) in (1...32).contains(size) && size.nonzeroBitCount == 1 }
    guard isKnown(rows), isKnown(columns), rows * columns > 1 else { return nil }
    self.rows = rows
    self.columns = columns
  }

  /// The shape of a text such as `1x8`; nil if it says none.
  public init?(_ text: String) {
    let sizes = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sizes.count == 2, let rows = sizes[0], let columns = sizes[1] else { return nil }
    self.init(rows: rows, columns: columns)
  }

  /// The text that says it.
  public var text: String { "\(rows)x\(columns)" }

  /// Rows of blocks, and blocks in a row of them, of a matrix.
  public func grid(rows: Int, columns: Int) -> (rows: Int, columns: Int) {
    ((rows + self.rows - 1) / self.rows, (columns + self.columns - 1) / self.columns)
  }

  /// The bytes of the bits of a row of blocks.
  public func bytes(columns: Int) -> Int { (grid(rows: 0, columns: columns).columns + 7) / 8 }
}
