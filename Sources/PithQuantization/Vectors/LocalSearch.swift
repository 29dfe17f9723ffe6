import PithTensors

/// Codes by iterated local search: some codes are drawn anew at random, and then each codebook's code is chosen beside
/// the others until none changes (iterated conditional modes). What is no better than before is undone. As in annealing,
/// the disturbance is large at first, half of the codes, and small at the end, one code.
///
/// Source: Martinez et al., *Revisiting additive quantization*, ECCV 2016, section 3; *LSQ++*, ECCV 2018.
struct LocalSearch {
  /// Disturbances.
  let rounds: Int

  /// Replaces the codes by better ones, if the search finds any.
  func improve(
    _ chosen: UnsafeMutablePointer<UInt16>, _ problem: CodeProblem, _ random: SeededGenerator,
    room: borrowing SearchRoom
  ) {
    var random = random
    problem.settle(chosen, sweeps: 4, row: room.row)
    var least = problem.cost(chosen)
    for round in 0..<rounds {
      room.trial.update(from: chosen, count: problem.books)
      let disturbed = max(1, problem.books * (rounds - round) / (2 * rounds))
      for _ in 0..<disturbed {
        let book = Int(random.next() % UInt64(problem.books))
        room.trial[book] = UInt16(random.next() % UInt64(problem.codes))
      }
      problem.settle(room.trial, sweeps: 4, row: room.row)
      let cost = problem.cost(room.trial)
      if cost < least {
        least = cost
        chosen.update(from: room.trial, count: problem.books)
      }
    }
  }
}
