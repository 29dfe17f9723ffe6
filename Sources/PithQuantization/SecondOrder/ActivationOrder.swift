/// The order in which a second-order method quantizes the columns of a weight.
///
/// The column with the largest diagonal of H first: its error then finds the most columns that can make up for it.
public enum ActivationOrder: String, Sendable, CaseIterable {
  /// From the first column to the last.
  case none

  /// By falling diagonal; groups are those of the columns as they lie, fitted before the sweep.
  case `static`

  /// By falling diagonal; groups follow the sweep, and the order is stored with the matrix.
  case stored

  /// The columns in the order of the sweep.
  func order(_ statistics: InputStatistics) -> [Int] {
    let columns = Array(0..<statistics.columns)
    guard self != .none else { return columns }
    let diagonal = columns.map { statistics.hessian[$0, $0] }
    return columns.sorted { (diagonal[$0], $1) > (diagonal[$1], $0) }
  }
}
