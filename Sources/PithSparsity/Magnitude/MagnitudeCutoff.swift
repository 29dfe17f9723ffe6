import PithQuantization
import PithTensors

/// The magnitude up to which a share of many weights goes, found exactly without holding them: magnitudes are ordered as
/// their bits are, so the upper 16 bits are counted first, then the lower 16 of those that have the right upper ones.
package struct MagnitudeCutoff {
  private var upper = [Int](repeating: 0, count: 1 << 16)
  private var lower = [Int](repeating: 0, count: 1 << 16)
  private var total = 0
  /// The upper bits of the cutoff, and how many of the weights that have them lie at or below it.
  private var found: (bits: UInt32, rank: Int)?

  /// No weights yet.
  package init() {}

  /// The first look at some weights.
  package mutating func count(_ weights: [Float]) {
    for weight in weights { upper[Int(weight.magnitude.bitPattern >> 16)] += 1 }
    total += weights.count
  }

  /// All weights have been counted: a second look at them is needed.
  package mutating func narrow(to share: Float) {
    var rank = PruningMask.count(share, of: total)
    for (bits, count) in upper.enumerated() {
      if rank <= count {
        found = (UInt32(bits), rank)
        return
      }
      rank -= count
    }
  }

  /// The second look at some weights.
  package mutating func refine(_ weights: [Float]) {
    guard let found else { return }
    for weight in weights where weight.magnitude.bitPattern >> 16 == found.bits {
      lower[Int(weight.magnitude.bitPattern & 0xFFFF)] += 1
    }
  }

  /// What goes: whatever is below a magnitude, and so many of the weights that have it, which are `equal` in all.
  package var cutoff: (limit: MethodOptions.Cutoff, equal: Int) {
    guard let (bits, atOrBelow) = found, atOrBelow > 0 else { return (.init(magnitude: 0, equal: 0), 0) }
    var rank = atOrBelow
    for (low, count) in lower.enumerated() {
      if rank <= count {
        return (.init(magnitude: Float(bitPattern: bits << 16 | UInt32(low)), equal: rank), count)
      }
      rank -= count
    }
    preconditionFailure("the weights of the second look are not those of the first")
  }
}
