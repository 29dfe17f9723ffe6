/// A part of a piece while it is being merged: the id of its token and where in the piece it lies.
struct MergeSymbol {
  var id: Int32
  var start: Int32
  var end: Int32
}

/// Which neighbours may be joined, and which first.
protocol PairRanking {
  /// The rank (lower joins first) above the id of the joined token in 64 bits, or `noMerge`.
  func join(_ left: MergeSymbol, _ right: MergeSymbol) -> UInt64
}

/// The mark of a pair that does not join.
let noMerge = UInt64.max

/// The symbols of one piece and the arrays that merging them needs.
struct MergeWorkspace {
  var symbols: [MergeSymbol] = []
  private var joins: [UInt64] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var heap: [UInt64] = []

  /// Joins neighbours, the best-ranked and among equals the leftmost pair first, until none can be joined.
  @inline(__always)
  mutating func merge(_ ranking: some PairRanking) {
    if symbols.count < 2 { return }
    if symbols.count <= 40 { mergeByScanning(ranking) } else { mergeByHeap(ranking) }
  }

  /// Quadratic, but without overhead: the way for words.
  @inline(__always)
  private mutating func mergeByScanning(_ ranking: some PairRanking) {
    var count = symbols.count
    while joins.count < count { joins.append(0) }
    symbols.withUnsafeMutableBufferPointer { symbols in
      joins.withUnsafeMutableBufferPointer { joins in
        for index in 0..<(count &- 1) { joins[index] = ranking.join(symbols[index], symbols[index &+ 1]) }
        while true {
          var best = noMerge
          var place = -1
          for index in 0..<(count &- 1) where joins[index] &>> 32 < best &>> 32 {
            best = joins[index]
            place = index
          }
          if place < 0 { return }
          symbols[place].id = Int32(truncatingIfNeeded: best)
          symbols[place].end = symbols[place &+ 1].end
          count &-= 1
          var index = place &+ 1
          while index < count {
            symbols[index] = symbols[index &+ 1]
            joins[index &- 1] = joins[index]
            index &+= 1
          }
          if place > 0 { joins[place &- 1] = ranking.join(symbols[place &- 1], symbols[place]) }
          if place &+ 1 < count {
            joins[place] = ranking.join(symbols[place], symbols[place &+ 1])
          }
        }
      }
    }
    symbols.removeLast(symbols.count - count)
  }

  /// A linked list and a heap of candidates: the way for long pieces.
  private mutating func mergeByHeap(_ ranking: some PairRanking) {
    let count = symbols.count
    joins = [UInt64](repeating: noMerge, count: count)
    next = (1...Int32(count)).map { $0 }
    previous = (-1..<Int32(count - 1)).map { $0 }
    heap.removeAll(keepingCapacity: true)
    for index in 0..<(count - 1) {
      joins[index] = ranking.join(symbols[index], symbols[index + 1])
      if joins[index] != noMerge { heap.append(candidate(index)) }
    }
    for root in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(root) }
    while let top = popHeap() {
      let place = Int(top & 0xFFFF_FFFF)
      // A candidate is stale once a neighbour has changed: the pair there is then another, or none.
      guard joins[place] != noMerge, joins[place] >> 32 == top >> 32 else { continue }
      let right = Int(next[place])
      symbols[place].id = Int32(truncatingIfNeeded: joins[place])
      symbols[place].end = symbols[right].end
      symbols[right].id = .min
      joins[right] = noMerge
      next[place] = next[right]
      let after = Int(next[place])
      joins[place] = noMerge
      if after < count {
        previous[after] = Int32(place)
        rank(place, after, ranking)
      }
      if previous[place] >= 0 { rank(Int(previous[place]), place, ranking) }
    }
    symbols.removeAll { $0.id == .min }
  }

  private func candidate(_ place: Int) -> UInt64 {
    joins[place] & ~0xFFFF_FFFF | UInt64(truncatingIfNeeded: place)
  }

  private mutating func rank(_ left: Int, _ right: Int, _ ranking: some PairRanking) {
    joins[left] = ranking.join(symbols[left], symbols[right])
    guard joins[left] != noMerge else { return }
    heap.append(candidate(left))
    var child = heap.count - 1
    while child > 0, heap[child] < heap[(child - 1) / 2] {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func popHeap() -> UInt64? {
    guard let top = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      siftDown(0)
    }
    return top
  }

  private mutating func siftDown(_ root: Int) {
    heap.withUnsafeMutableBufferPointer { heap in
      var parent = root
      let value = heap[root]
      while true {
        var child = 2 * parent + 1
        guard child < heap.count else { break }
        if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
        guard heap[child] < value else { break }
        heap[parent] = heap[child]
        parent = child
      }
      heap[parent] = value
    }
  }
}
