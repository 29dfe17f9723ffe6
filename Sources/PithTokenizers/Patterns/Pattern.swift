/// A compiled regular expression over UTF-8 text.
///
/// A backtracking matcher: the first alternative that leads to a match wins, as in the engines for which
/// tokenizers' patterns are written. Patterns come from files, and a pattern can be built to need exponential
/// time; each search therefore has a budget of steps, generous and proportional to the text, and where it is
/// spent the rest of the text counts as containing no match.
struct Pattern: Sendable {
  let program: [PatternInstruction]
  let bitmaps: ScalarBitmaps
  /// For each byte, the entries of the alternatives that can begin with it, in order, from `entryStarts`.
  let entries: [Int32]
  let entryStarts: [Int32]

  /// Compiles an expression; throws when it is malformed or uses what is not supported.
  init(_ source: String) throws(TokenizerError) {
    var parser = PatternParser(source)
    let tree = try parser.parse()
    var compiler = PatternCompiler()
    let branches: [PatternNode] = if case .alternation(let nodes) = tree { nodes } else { [tree] }
    var starts: [Int] = []
    for branch in branches {
      starts.append(compiler.program.count)
      try compiler.compile(branch)
      compiler.program.append(PatternInstruction(operation: .match))
    }
    let firsts = branches.map(Self.firstBytes)
    var entries: [Int32] = []
    var entryStarts: [Int32] = [0]
    for byte in 0..<256 {
      for (branch, first) in firsts.enumerated() where first.bytes[byte] || first.isNullable {
        entries.append(Int32(starts[branch]))
      }
      entryStarts.append(Int32(entries.count))
    }
    self.entries = entries
    self.entryStarts = entryStarts
    program = compiler.program
    bitmaps = compiler.bitmaps
  }

  /// The bytes with which a match of the node can begin, and whether it may match nothing.
  private static func firstBytes(_ node: PatternNode) -> (bytes: [Bool], isNullable: Bool) {
    let none = [Bool](repeating: false, count: 256)
    switch node {
    case .empty, .lookahead, .assertion: return (none, true)
    case .set(let set):
      var bytes = none
      for byte in 0..<128 { bytes[byte] = set.contains(UInt32(byte)) }
      for byte in 128..<256 { bytes[byte] = true }
      return (bytes, false)
    case .sequence(let nodes):
      var bytes = none
      for node in nodes {
        let first = firstBytes(node)
        for byte in 0..<256 where first.bytes[byte] { bytes[byte] = true }
        if !first.isNullable { return (bytes, false) }
      }
      return (bytes, true)
    case .alternation(let nodes):
      var bytes = none
      var isNullable = false
      for node in nodes {
        let first = firstBytes(node)
        for byte in 0..<256 where first.bytes[byte] { bytes[byte] = true }
        isNullable = isNullable || first.isNullable
      }
      return (bytes, isNullable)
    case .repetition(let node, let minimum, _, _):
      let first = firstBytes(node)
      return (first.bytes, first.isNullable || minimum == 0)
    case .atomic(let node): return firstBytes(node)
    }
  }

  /// Calls `body` with each match in turn, from left to right; empty matches are passed over.
  func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    program.withUnsafeBufferPointer { program in
      bitmaps.bits.withUnsafeBufferPointer { bits in
        entries.withUnsafeBufferPointer { entries in
          entryStarts.withUnsafeBufferPointer { entryStarts in
            var matcher = PatternMatcher(text: text, program: program, bits: bits, sets: bitmaps.sets)
            var position = 0
            while position < text.count {
              let byte = Int(text[position])
              var end = -1
              var entry = Int(entryStarts[byte])
              let last = Int(entryStarts[byte + 1])
              while entry < last {
                end = matcher.run(Int(entries[entry]), at: position)
                if end >= 0 { break }
                entry += 1
              }
              if matcher.budget < 0 { return }
              if end > position {
                body(position..<end)
                position = end
              } else {
                position += UTF8Text.length(lead: text[position])
              }
            }
          }
        }
      }
    }
  }
}
