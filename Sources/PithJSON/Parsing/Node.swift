/// One entry of the tape, in eight bytes: four bits of kind, 28 bits of extent, 32 bits of place.
///
/// | kind | extent | place |
/// | --- | --- | --- |
/// | literal | 0 | byte offset |
/// | number, string | length in bytes, quotes excluded | byte offset of the first byte |
/// | array, object | number of elements or members | tape index just past the container |
///
/// The members of an object lie behind it as key, value, key, value …; a document of `n` bytes has at most
/// `n` entries, and `Document.maximumSize` keeps every field in range.
struct Node {
  enum Kind: UInt8 { case null, `true`, `false`, number, plainString, escapedString, array, object }

  var bits: UInt64

  init(_ kind: Kind, extent: Int, place: Int) {
    bits = UInt64(kind.rawValue) << 60 | UInt64(extent) << 32 | UInt64(place)
  }

  var kind: Kind { Kind(rawValue: UInt8(truncatingIfNeeded: bits >> 60)).unsafelyUnwrapped }
  var extent: Int { Int(truncatingIfNeeded: bits >> 32 & 0xFFF_FFFF) }
  var place: Int { Int(truncatingIfNeeded: bits & 0xFFFF_FFFF) }
}

/// A parsed document: its bytes and the tape over them, shared by every `JSON` value in it.
final class Document: Sendable {
  /// The largest document that the tape can address: 256 MiB less one byte.
  static let maximumSize = 1 << 28 - 1

  let bytes: [UInt8]
  let tape: [Node]

  init(bytes: [UInt8], tape: [Node]) {
    self.bytes = bytes
    self.tape = tape
  }

  /// The index of the entry after the value at `index`, whatever is nested in it.
  @inline(__always)
  func indexAfter(_ index: Int) -> Int {
    let node = tape[index]
    switch node.kind {
    case .array, .object: return node.place
    default: return index + 1
    }
  }
}
