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
    for book in 0..<problem.books {
      var found = 0
      // Of the last codebook only the best is wanted.
      let limit = book == problem.books - 1 ? 1 : width
      var bar = Float.infinity
      var barIndex = 0
      for way in 0..<count {
        for other in 0..<book { room.trial[other] = ways[way].codes[other] }
        problem.costs(ofBook: book, beside: room.trial, in: 0..<book, into: room.row)
        let base = ways[way].cost
        for code in 0..<problem.codes where base + room.row[code] < bar || found < limit {
          var candidate = ways[way]
          candidate.cost = base + room.row[code]
          candidate.codes[book] = UInt16(truncatingIfNeeded: code)
          if found < limit {
            (next + found).initialize(to: candidate)
            found += 1
          } else {
            next[barIndex] = candidate
          }
          if found == limit {
            barIndex = 0
            for index in 1..<max(1, limit) where next[index].cost > next[barIndex].cost { barIndex = index }
            bar = next[barIndex].cost
          }
        }
      }
      (ways, next, count) = (next, ways, found)
    }
    for book in 0..<problem.books { room.trial[book] = ways[0].codes[book] }
    problem.settle(room.trial, sweeps: 2, row: room.row)
    if problem.cost(room.trial) < problem.cost(chosen) {
      chosen.update(from: room.trial, count: problem.books)
    }
  }
}
