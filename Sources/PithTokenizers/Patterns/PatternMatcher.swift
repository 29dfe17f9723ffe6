/// Runs a compiled pattern over one text.
struct PatternMatcher {
  /// What to try when the current path fails.
  private struct Choice {
    var program: Int
    var position: Int
    /// For a loop, the earliest position it may give back to; -1 for a plain choice.
    var earliest: Int
  }

  private let text: UnsafeBufferPointer<UInt8>
  private let program: UnsafeBufferPointer<PatternInstruction>
  private let bits: UnsafeBufferPointer<UInt64>
  private let sets: [ScalarSet]
  private var choices: [Choice] = []
  /// The steps left; negative once they are spent.
  private(set) var budget: Int

  init(
    text: UnsafeBufferPointer<UInt8>, program: UnsafeBufferPointer<PatternInstruction>,
    bits: UnsafeBufferPointer<UInt64>, sets: [ScalarSet]
  ) {
    self.text = text
    self.program = program
    self.bits = bits
    self.sets = sets
    budget = 4096 + 256 * text.count
  }

  /// The end of the match that begins at `start` with the instruction `entry`, or -1.
  mutating func run(_ entry: Int, at start: Int) -> Int {
    let base = choices.count
    var step = entry
    var position = start
    while true {
      budget &-= 1
      let instruction = program[step]
      var holds = true
      switch instruction.operation {
      case .byte:
        holds = position < text.count && Int32(text[position]) == instruction.x
        position &+= 1
        step &+= 1
      case .set:
        holds = position < text.count && advance(over: Int(instruction.x), &position)
        step &+= 1
      case .loop, .possessiveLoop:
        holds = loop(instruction, step, &position)
        step &+= 1
      case .split:
        choices.append(Choice(program: Int(instruction.y), position: position, earliest: -1))
        step = Int(instruction.x)
      case .jump: step = Int(instruction.x)
      case .lookahead, .negativeLookahead:
        holds = (run(step + 1, at: position) >= 0) == (instruction.operation == .lookahead)
        step = Int(instruction.x)
      case .atomic:
        let end = run(step + 1, at: position)
        holds = end >= 0
        position = end
        step = Int(instruction.x)
      case .assert:
        holds = isTrue(instruction.x, at: position)
        step &+= 1
      case .match:
        choices.removeLast(choices.count - base)
        return position
      }
      if holds { continue }
      if choices.count == base || budget < 0 {
        choices.removeLast(choices.count - base)
        return -1
      }
      retreat(to: &step, &position)
    }
  }

  @inline(__always)
  private mutating func retreat(to step: inout Int, _ position: inout Int) {
    let last = choices.count - 1
    let choice = choices[last]
    step = choice.program
    position = choice.position
    if choice.earliest >= 0 {
      position = UTF8Text.start(before: position, in: text)
      if position > choice.earliest {
        choices[last].position = position
        return
      }
    }
    choices.removeLast()
  }

  @inline(__always)
  private mutating func loop(_ instruction: PatternInstruction, _ step: Int, _ position: inout Int) -> Bool {
    let set = Int(instruction.x)
    let maximum = instruction.z
    let start = position
    var count: Int32 = 0
    var earliest = position
    while count < maximum, position < text.count, advance(over: set, &position) {
      count &+= 1
      if count == instruction.y { earliest = position }
    }
    budget &-= (position &- start) &>> 3
    if count < instruction.y { return false }
    if instruction.operation == .loop, position > earliest {
      choices.append(Choice(program: step &+ 1, position: position, earliest: earliest))
    }
    return true
  }

  /// Moves past the scalar at `position` if the set contains it.
  @inline(__always)
  private func advance(over set: Int, _ position: inout Int) -> Bool {
    let lead = text[position]
    if lead < 0x80 {
      guard contains(set, UInt32(lead)) else { return false }
      position &+= 1
      return true
    }
    var end = position
    let scalar = UTF8Text.decode(text, &end)
    guard scalar < 0x10000 ? contains(set, scalar) : sets[set].contains(scalar) else { return false }
    position = end
    return true
  }

  @inline(__always)
  private func contains(_ set: Int, _ scalar: UInt32) -> Bool {
    let word = bits[set &* ScalarBitmaps.words &+ Int(scalar &>> 6)]
    return word &>> UInt64(scalar & 63) & 1 != 0
  }

  private func isTrue(_ assertion: Int32, at position: Int) -> Bool {
    switch PatternNode.Assertion(rawValue: UInt8(assertion)) {
    case .textStart: return position == 0
    case .textEnd: return position == text.count
    case .lineStart: return position == 0 || text[position - 1] == 0x0A
    case .lineEnd: return position == text.count || text[position] == 0x0A
    case .wordEdge: return isWord(before: position) != isWord(at: position)
    case .noWordEdge, nil: return isWord(before: position) == isWord(at: position)
    }
  }

  private func isWord(before position: Int) -> Bool {
    position > 0 && isWord(at: UTF8Text.start(before: position, in: text))
  }

  private func isWord(at position: Int) -> Bool {
    guard position < text.count else { return false }
    var end = position
    return ScalarProperties.isWord(UTF8Text.decode(text, &end))
  }
}
