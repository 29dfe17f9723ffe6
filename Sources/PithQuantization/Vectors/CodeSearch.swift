import PithTensors

/// How the codes of one run of one row are chosen from the costs of `RunTables`.
enum CodeSearch: Sendable {
  /// See `BeamSearch`.
  case beam(width: Int)

  /// See `LocalSearch`.
  case local(rounds: Int, seed: UInt64)
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

  init(books: Int, codes: Int, width: Int) {
    costs = .allocate(capacity: books * codes)
    row = .allocate(capacity: codes)
    trial = .allocate(capacity: books)
    beam = .allocate(capacity: width)
    next = .allocate(capacity: width)
  }

  deinit {
    costs.deallocate()
    row.deallocate()
    trial.deallocate()
    beam.deallocate()
    next.deallocate()
  }
}

extension CodeSearch {
  /// Ways that are kept.
  var width: Int { if case .beam(let width) = self { width } else { 1 } }

  /// Replaces the codes of a run by better ones, if there are any; `room.costs` holds the cost of each codeword.
  ///
  /// - Parameter place: a number of its own for each run of each row, from which random numbers are drawn.
  func improve(
    _ chosen: UnsafeMutablePointer<UInt16>, _ tables: borrowing RunTables, place: Int,
    room: borrowing SearchRoom
  ) {
    if tables.books == 1 {
      chosen[0] = UInt16(lowest(room.costs, tables.codes))
      return
    }
    tables.pairs.withUnsafeBufferPointer { pairs in
      let problem = CodeProblem(
        books: tables.books, codes: tables.codes, costs: room.costs, pairs: pairs.baseAddress!)
      switch self {
      case .beam(let width): BeamSearch(width: width).improve(chosen, problem, room: room)
      case .local(let rounds, let seed):
        let random = SeededGenerator(seed: seed &+ UInt64(place) &* 0x9E37_79B9_7F4A_7C15)
        LocalSearch(rounds: rounds).improve(chosen, problem, random, room: room)
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

  /// The cost of each code of a codebook beside the codes chosen in some others.
  func costs(
    ofBook book: Int, beside chosen: UnsafePointer<UInt16>, in others: Range<Int>,
    into row: UnsafeMutablePointer<Float>
  ) {
    row.update(from: costs + book * codes, count: codes)
    for other in others where other != book {
      let pair = pairs + (other * codes + Int(chosen[other])) * books * codes + book * codes
      for code in 0..<codes { row[code] += pair[code] }
    }
  }

  /// Chooses each codebook's code anew beside the others, until none changes or `sweeps` are done: iterated
  /// conditional modes.
  func settle(
    _ chosen: UnsafeMutablePointer<UInt16>, sweeps: Int, row: UnsafeMutablePointer<Float>
  ) {
    for _ in 0..<sweeps {
      var hasChanged = false
      for book in 0..<books {
        costs(ofBook: book, beside: chosen, in: 0..<books, into: row)
        let best = UInt16(lowest(row, codes))
        // Equal costs may alternate for ever.
        if best != chosen[book], row[Int(best)] < row[Int(chosen[book])] {
          chosen[book] = best
          hasChanged = true
        }
      }
      if !hasChanged { return }
    }
  }
}

/// The index of the smallest value, the first among equals.
func lowest(_ values: UnsafePointer<Float>, _ count: Int) -> Int {
  var (index, least) = (0, values[0])
  for i in 1..<max(count, 1) where values[i] < least { (index, least) = (i, values[i]) }
  return index
}
