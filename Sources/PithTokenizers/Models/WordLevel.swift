/// A model whose tokens are whole pieces.
struct WordLevel: Sendable {
  let vocabulary: Vocabulary
  /// The id for pieces that are not in the vocabulary, or `Vocabulary.absent` to leave them out.
  let unknown: Int32

  func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    let id = vocabulary.id(of: piece)
    if id >= 0 {
      ids.append(id)
    } else if unknown >= 0 {
      ids.append(unknown)
    }
  }
}
