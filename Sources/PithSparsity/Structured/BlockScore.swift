import PithTensors

/// What removing whole blocks of inputs costs.
package protocol BlockScore {
  /// The cost of a block, given what is gone already.
  func loss(of block: Range<Int>) -> Double

  /// Removes a block.
  mutating func remove(_ block: Range<Int>, on pool: ThreadPool?)
}

extension BlockScore {
  /// Removes the block that costs least, the first of several, and says which it is.
  package mutating func removeLeast(of blocks: [Range<Int>], on pool: ThreadPool? = nil) -> Int {
    let losses = blocks.map(loss)
    let least = losses.indices.min { losses[$0] < losses[$1] }!
    remove(blocks[least], on: pool)
    return least
  }
}

/// The squares of all weights that go with an input: a block costs as much as it weighs, whatever else is gone.
package struct BlockMagnitude: BlockScore {
  private let squares: [Double]

  /// Magnitudes by input.
  package init(squares: [Double]) { self.squares = squares }

  package func loss(of block: Range<Int>) -> Double { squares[block].reduce(0, +) }

  package func remove(_ block: Range<Int>, on pool: ThreadPool?) {}
}
