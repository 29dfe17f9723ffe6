/// One step of a compiled pattern.
struct PatternInstruction {
  enum Operation: UInt8 {
    /// Match one given byte (`x`).
    case byte
    /// Match one scalar of the set `x`.
    case set
    /// Match as many scalars of the set `x` as there are, at least `y` and at most `z`; may give some back.
    case loop
    /// The same, but gives nothing back.
    case possessiveLoop
    /// Try `x`, then `y`.
    case split
    /// Go on at `x`.
    case jump
    /// Go on at `x` if the program that follows matches here.
    case lookahead
    /// Go on at `x` unless the program that follows matches here.
    case negativeLookahead
    /// Match the program that follows as one, then go on at `x`.
    case atomic
    /// Hold if the assertion `x` does.
    case assert
    /// The end of the program.
    case match
  }

  var operation: Operation
  var x: Int32 = 0
  var y: Int32 = 0
  var z: Int32 = 0
}

/// Turns a tree into a program.
struct PatternCompiler {
  /// Counted repetitions are copies, so the size is bounded.
  static let maximumSize = 20_000

  var program: [PatternInstruction] = []
  var bitmaps = ScalarBitmaps()

  mutating func compile(_ node: PatternNode) throws(TokenizerError) {
    guard program.count < Self.maximumSize, bitmaps.sets.count < 512 else {
      throw TokenizerError("A pattern's repetitions make it too large; write it with smaller counts.")
    }
    switch node {
    case .empty: break
    case .set(let set): compile(set)
    case .sequence(let nodes): for node in nodes { try compile(node) }
    case .alternation(let nodes): try compileAlternation(nodes)
    case .repetition(let node, let minimum, let maximum, let greed):
      try compileRepetition(node, minimum, maximum, greed)
    case .lookahead(let node, let isNegated):
      try compileGroup(node, isNegated ? .negativeLookahead : .lookahead)
    case .atomic(let node): try compileGroup(node, .atomic)
    case .assertion(let assertion): emit(.assert, Int(assertion.rawValue))
    }
  }

  @discardableResult
  private mutating func emit(
    _ operation: PatternInstruction.Operation, _ x: Int = 0, _ y: Int = 0, _ z: Int = 0
  )
    -> Int
  {
    program.append(PatternInstruction(operation: operation, x: Int32(x), y: Int32(y), z: Int32(z)))
    return program.count - 1
  }

  private mutating func compile(_ set: ScalarSet) {
    if case .ranges(let ranges) = set, ranges.count == 1, ranges[0].count == 1 {
      var bytes: [UInt8] = []
      UTF8Text.append(ranges[0].lowerBound, to: &bytes)
      for byte in bytes { emit(.byte, Int(byte)) }
    } else {
      emit(.set, bitmaps.append(set))
    }
  }

  private mutating func compileAlternation(_ nodes: [PatternNode]) throws(TokenizerError) {
    var jumps: [Int] = []
    for node in nodes.dropLast() {
      let split = emit(.split, program.count + 1)
      try compile(node)
      jumps.append(emit(.jump))
      program[split].y = Int32(program.count)
    }
    if let last = nodes.last { try compile(last) }
    for jump in jumps { program[jump].x = Int32(program.count) }
  }

  private mutating func compileGroup(_ node: PatternNode, _ operation: PatternInstruction.Operation)
    throws(TokenizerError)
  {
    let group = emit(operation)
    try compile(node)
    emit(.match)
    program[group].x = Int32(program.count)
  }

  private mutating func compileRepetition(
    _ node: PatternNode, _ minimum: Int, _ maximum: Int?, _ greed: PatternNode.Greed
  ) throws(TokenizerError) {
    if case .set(let set) = node, greed != .lazy {
      emit(
        greed == .greedy ? .loop : .possessiveLoop, bitmaps.append(set), minimum,
        maximum ?? Int(Int32.max))
      return
    }
    if greed == .possessive {
      try compileGroup(.repetition(node, minimum: minimum, maximum: maximum, .greedy), .atomic)
      return
    }
    for _ in 0..<minimum { try compile(node) }
    func branch(_ split: Int, into body: Int, past end: Int) {
      program[split].x = Int32(greed == .lazy ? end : body)
      program[split].y = Int32(greed == .lazy ? body : end)
    }
    if let maximum {
      var splits: [Int] = []
      for _ in 0..<(maximum - minimum) {
        splits.append(emit(.split))
        try compile(node)
      }
      for split in splits { branch(split, into: split + 1, past: program.count) }
    } else {
      let split = emit(.split)
      try compile(node)
      emit(.jump, split)
      branch(split, into: split + 1, past: program.count)
    }
  }
}
