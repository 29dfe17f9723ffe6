/// Among which weights those of least score are sought.
public enum PruningScope: String, Sendable, CaseIterable {
  /// In each row by itself: every output loses the same share.
  case row
  /// In the whole matrix.
  case matrix
  /// In all matrices that a step applies to: a matrix of small weights loses more.
  case model
}
