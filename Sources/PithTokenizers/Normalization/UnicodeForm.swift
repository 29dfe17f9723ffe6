/// Unicode's normalization forms (UAX #15) over UTF-8.
///
/// Text below the first scalar that a form can change is copied; only the stretches around other scalars are
/// decomposed, put in canonical order, and composed.
enum UnicodeForm: Sendable {
  case nfc, nfd, nfkc, nfkd

  private var isCompatibility: Bool { self == .nfkc || self == .nfkd }
  private var composes: Bool { self == .nfc || self == .nfkc }
  /// The lead bytes below this belong to scalars that the form leaves alone wherever they stand.
  private var firstAffectedLead: UInt8 { self == .nfc ? 0xCC : 0xC2 }

  func apply(to text: [UInt8]) -> [UInt8] {
    let limit = firstAffectedLead
    guard text.contains(where: { $0 >= limit }) else { return text }
    let table = DecompositionTable.shared
    var output: [UInt8] = []
    output.reserveCapacity(text.count + 16)
    var scalars: [UInt32] = []
    text.withUnsafeBufferPointer { text in
      var done = 0
      var position = 0
      while position < text.count {
        guard text[position] >= limit else {
          position += 1
          continue
        }
        // A combining scalar may compose with the one before it.
        let start = position > done ? UTF8Text.start(before: position, in: text) : position
        output.append(done..<start, of: text)
        while position < text.count, text[position] >= limit {
          position += UTF8Text.length(lead: text[position])
        }
        done = min(position, text.count)
        scalars.removeAll(keepingCapacity: true)
        var read = start
        while read < done {
          table.append(UTF8Text.decode(text, &read), isCompatibility: isCompatibility, to: &scalars)
        }
        order(&scalars)
        if composes { compose(&scalars, table) }
        for scalar in scalars { UTF8Text.append(scalar, to: &output) }
      }
      output.append(min(done, text.count)..<text.count, of: text)
    }
    return output
  }

  /// Sorts each run of combining scalars by combining class, stably.
  private func order(_ scalars: inout [UInt32]) {
    var start = 0
    while start < scalars.count {
      guard combiningClass(scalars[start]) != 0 else {
        start += 1
        continue
      }
      var end = start + 1
      while end < scalars.count, combiningClass(scalars[end]) != 0 { end += 1 }
      if end - start > 1 {
        let keyed = scalars[start..<end].enumerated().map { (combiningClass($1), $0, $1) }
        let sorted = keyed.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        scalars.replaceSubrange(start..<end, with: sorted.map(\.2))
      }
      start = end
    }
  }

  private func compose(_ scalars: inout [UInt32], _ table: DecompositionTable) {
    var starter = -1
    var lastClass = 0
    var write = 0
    for scalar in scalars {
      let currentClass = combiningClass(scalar)
      let isBlocked = write > starter + 1 && lastClass >= currentClass
      if starter >= 0, !isBlocked, let composite = table.composite(scalars[starter], scalar) {
        scalars[starter] = composite
        continue
      }
      scalars[write] = scalar
      if currentClass == 0 { starter = write }
      lastClass = currentClass
      write += 1
    }
    scalars.removeLast(scalars.count - write)
  }

  private func combiningClass(_ scalar: UInt32) -> Int {
    guard scalar >= 0x300, let scalar = Unicode.Scalar(scalar) else { return 0 }
    return Int(scalar.properties.canonicalCombiningClass.rawValue)
  }
}
