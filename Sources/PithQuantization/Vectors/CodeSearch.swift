import CPithKernels
import PithTensors

/// How the codes of one run of one row are chosen from the costs of `RunTables`.
enum CodeSearch: Sendable {
  /// See `BeamSearch`.
  case beam(width: Int)

  /// See `LocalSearch`.
  case local(width: Int, rounds: Int, seed: UInt64)

  /// From the codes that are there, each anew beside the others, some rounds long: see `CodeProblem.settle`.
  case conditional(sweeps: Int)
}

/// The memory of one thread's search.
struct SearchRoom: ~Copyable {
  /// The costs of the codewords of a set.
  let costs: UnsafeMutablePointer<Float>
  /// The costs of the codewords of a codebook beside those chosen in others.
  let row: UnsafeMutablePointer<Float>
  /// The codes that are tried.
  let trial: UnsafeMutablePointer<UInt16>
  /// The ways of a beam, and those of the next step.
  let beam: UnsafeMutablePointer<BeamSearch.Way>
  let next: UnsafeMutablePointer<BeamSearch.Way>
  /// The negated costs of the ways of the next step.
  let gains: UnsafeMutablePointer<Float>
  /// Where the costs of pairs with the chosen codes of each way lie.
  let pairs: UnsafeMutablePointer<UnsafePointer<Float>?>

  init(books: Int, codes: Int, width: Int) {
    costs = .allocate(capacity: books * codes)
    row = .allocate(capacity: codes)
    trial = .allocate(capacity: books)
    beam = .allocate(capacity: width)
    next = .allocate(capacity: width)
    gains = .allocate(capacity: width)
    pairs = .allocate(capacity: width * books)
  }

  deinit {
    costs.deallocate()
    row.deallocate()
    trial.deallocate()
    beam.deallocate()
    next.deallocate()
    gains.deallocate()
    pairs.deallocate()
  }
}

extension CodeSearch {
  /// Ways that are kept.
  var width: Int {
    switch self {
    case .beam(let width), .local(let width, _, _): width
    case .conditional: 1
    }
  }

  /// Replaces the codes of a run by better ones, if there are any; `room.costs` holds the cost of each codeword.
  ///
  /// - Parameter place: a number of its own for each run of each row, from which random numbers are drawn.
  func improve(
    _ chosen: UnsafeMutablePointer<UInt16>, _ tables: borrowing RunTables, place: Int,
    room: borrowing SearchRoom
  ) {
    if tables.books == 1 {
      var cost: Float = 0
      chosen[0] = UInt16(pith_lowest_sum(room.costs, nil, 0, tables.codes, &cost))
      return
    }
    tables.pairs.withUnsafeBufferPointer { pairs in
      let problem = CodeProblem(
        books: tables.books, codes: tables.codes, costs: room.costs, pairs: pairs.baseAddress!,
        room: room.pairs)
      switch self {
      case .beam(let width): BeamSearch(width: width).improve(chosen, problem, room: room)
      case .local(let width, let rounds, let seed):
        let random = SeededGenerator(seed: seed &+ UInt64(place) &* 0x9E37_79B9_7F4A_7C15)
        LocalSearch(width: width, rounds: rounds).improve(chosen, problem, random, room: room)
      case .conditional(let sweeps): problem.settle(chosen, from: 0, sweeps: sweeps)
      }
    }
  }
}

/// Choose one code per codebook: the cost is the sum of the chosen codewords' costs and of each pair's.
struct CodeProblem {
  let books: Int
  let codes: Int
  /// codebook, code.
  let costs: UnsafePointer<Float>
  /// (codebook, code) × (codebook, code).
  let pairs: UnsafePointer<Float>
  /// Room for a pointer per codebook.
  let room: UnsafeMutablePointer<UnsafePointer<Float>?>

  /// The cost of the given codes.
  func cost(_ chosen: UnsafePointer<UInt16>) -> Float {
    var sum: Float = 0
    for book in 0..<books {
      let word = book * codes + Int(chosen[book])
      sum += costs[word]
      let row = pairs + word * books * codes
      for other in (book + 1)..<max(books, book + 1) { sum += row[other * codes + Int(chosen[other])] }
    }
    return sum
  }

  /// The cost of each code of a codebook beside the codes chosen in those before it.
  func costs(
    ofBook book: Int, behind chosen: UnsafePointer<UInt16>, into row: UnsafeMutablePointer<Float>
  ) {
    pith_sum_rows(costs + book * codes, room, findPairs(book, chosen, 0..<book, into: room), codes, row)
  }

  /// The best code of a codebook beside those chosen in the others.
  func best(ofBook book: Int, beside chosen: UnsafePointer<UInt16>) -> UInt16 {
    var cost: Float = 0
    let count = findPairs(book, chosen, 0..<books, into: room)
    return UInt16(pith_lowest_sum(costs + book * codes, room, count, codes, &cost))
  }

  /// Chooses each codebook's code anew beside the others, `first` and those after it in turn, until none changes or
  /// `sweeps` are done: iterated conditional modes.
  func settle(_ chosen: UnsafeMutablePointer<UInt16>, from first: Int, sweeps: Int) {
    var unchanged = 0
    for step in 0..<(sweeps * books) {
      let book = (first + step) % books
      let best = best(ofBook: book, beside: chosen)
      unchanged = best == chosen[book] ? unchanged + 1 : 0
      chosen[book] = best
      if unchanged == books { return }
    }
  }

  /// Points at the costs of a codebook's codes beside each code chosen in others; how many there are.
  @discardableResult
  func findPairs(
    _ book: Int, _ chosen: UnsafePointer<UInt16>, _ others: Range<Int>,
    into rows: UnsafeMutablePointer<UnsafePointer<Float>?>
  ) -> Int {
    var count = 0
    for other in others where other != book {
      rows[count] = pairs + (other * codes + Int(chosen[other])) * books * codes + book * codes
      count += 1
    }
    return count
  }
}
