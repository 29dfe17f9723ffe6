/// Whole pieces that are tokens, or the unknown token.
struct WordLevel: Sendable {
  let vocabulary: Vocabulary
  let unknown: Int32?

  func encode(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into ids: inout [Int32]) {
    let id = vocabulary.id(of: text.part(range))
    if id >= 0 { ids.append(id) } else if let unknown { ids.append(unknown) }
  }
}
