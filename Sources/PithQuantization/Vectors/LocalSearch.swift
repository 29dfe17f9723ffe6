import PithTensors

/// Codes by iterated local search: from those there are, or those that a beam search finds if they are better (so that
/// it is never worse than that), some codes are drawn anew at random, and then each codebook's code is chosen beside the
/// others until none changes (iterated conditional modes). What is no better than before is undone. As in annealing,
/// the disturbance is large at first, half of the codes, and small at the end, one code.
///
/// Source: Martinez et al., *Revisiting additive quantization*, ECCV 2016, section 3; *LSQ++*, ECCV 2018.
struct LocalSearch {
  /// The ways of the beam search that it starts from.
  let width: Int

  /// Disturbances.
  let rounds: Int

  /// Replaces the codes by better ones, if the search finds any.
  func improve(
    _ chosen: UnsafeMutablePointer<UInt16>, _ problem: CodeProblem, _ random: SeededGenerator,
    room: borrowing SearchRoom
  ) {
    var random = random
    BeamSearch(width: width).improve(chosen, problem, room: room)
    problem.settle(chosen, from: 0, sweeps: 4)
    var least = problem.cost(chosen)
    for round in 0..<rounds {
      room.trial.update(from: chosen, count: problem.books)
      let disturbed = max(1, (problem.books * (rounds - round) + rounds) / (2 * rounds))
      let first = Int(random.next() % UInt64(problem.books))
      for step in 0..<disturbed {
        room.trial[(first + step) % problem.books] = UInt16(random.next() % UInt64(problem.codes))
      }
      // The others answer first, or the disturbance would be undone at once.
      problem.settle(room.trial, from: (first + disturbed) % problem.books, sweeps: 4)
      let cost = problem.cost(room.trial)
      if cost < least {
        least = cost
        chosen.update(from: room.trial, count: problem.books)
      }
    }
  }
}
