import CPithKernels

/// Codes by beam search: codebook after codebook, the `width` best sums so far are each tried with every code of the
/// next.
///
/// Source: Babenko and Lempitsky, *Additive quantization for extreme vector compression*, CVPR 2014, section 3.1.
struct BeamSearch {
  /// How many sums are kept.
  let width: Int

  /// A choice of codes for the first codebooks.
  struct Way {
    var cost: Float
    var codes: SIMD16<UInt16>
  }

  /// Replaces the codes by better ones, if the search finds any.
  func improve(
    _ chosen: UnsafeMutablePointer<UInt16>, _ problem: CodeProblem, room: borrowing SearchRoom
  ) {
    var (ways, next) = (room.beam, room.next)
    var count = 1
    ways.initialize(to: Way(cost: 0, codes: SIMD16(repeating: 0)))
    for book in 0..<(problem.books - 1) {
      count = extend(ways, count, by: book, problem, room: room, into: next)
      swap(&ways, &next)
    }
    // Of the last codebook only the best is wanted.
    let last = problem.books - 1
    for way in 0..<count {
      lay(ways[way].codes, last, into: room.trial)
      problem.findPairs(last, room.trial, 0..<last, into: room.pairs + way * last)
      room.gains[way] = ways[way].cost
    }
    var code = 0
    let best = pith_lowest_way(
      problem.costs + last * problem.codes, room.gains, room.pairs, count, last, problem.codes, &code)
    lay(ways[best].codes, last, into: room.trial)
    room.trial[last] = UInt16(code)
    problem.settle(room.trial, from: 0, sweeps: 2)
    if problem.cost(room.trial) < problem.cost(chosen) {
      chosen.update(from: room.trial, count: problem.books)
    }
  }

  /// The best ways with a code of one codebook more; how many there are.
  private func extend(
    _ ways: UnsafePointer<Way>, _ count: Int, by book: Int, _ problem: CodeProblem,
    room: borrowing SearchRoom, into next: UnsafeMutablePointer<Way>
  ) -> Int {
    // The costs lie side by side, negated, so that the worst of the ways is found at once.
    var (found, worst, bar) = (0, 0, Float.infinity)
    for way in 0..<count {
      lay(ways[way].codes, book, into: room.trial)
      problem.costs(ofBook: book, behind: room.trial, into: room.row)
      let base = ways[way].cost
      for code in 0..<problem.codes where base + room.row[code] < bar {
        let place = found < width ? found : worst
        room.gains[place] = -(base + room.row[code])
        (next + place).initialize(to: Way(cost: base + room.row[code], codes: ways[way].codes))
        next[place].codes[book] = UInt16(truncatingIfNeeded: code)
        found = max(found, place + 1)
        guard found == width else { continue }
        var least: Float = 0
        worst = pith_lowest_sum(room.gains, nil, 0, width, &least)
        bar = -least
      }
    }
    return found
  }

  private func lay(_ codes: SIMD16<UInt16>, _ count: Int, into trial: UnsafeMutablePointer<UInt16>) {
    for book in 0..<count { trial[book] = codes[book] }
  }
}
