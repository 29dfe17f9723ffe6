import PithModels
import PithTensors
import PithWeights

/// Weights that are never there, at places chosen before training: a wide layer with the parameters of a narrow one (Golubeva et al., Are wider nets
/// better given the same number of parameters?, arXiv 2010.14495).
public struct StaticMask: Sendable, Equatable {
  /// Where the weights are.
  public enum Pattern: String, Sendable, CaseIterable {
    /// As many in each row, at random columns: of the places only a seed is stored.
    case random
    /// As many blocks of 32 × 32 in each row of blocks, at random.
    case blocks
    /// Blocks around the diagonal, of which one in five is moved to a random place (Watts and Strogatz, Nature 393, 1998).
    case smallWorld = "small-world"
  }

  /// The share of weights that are there.
  public var density: Float = 1
  /// Where they are.
  public var pattern = Pattern.random

  /// All weights.
  public init() {}

  /// The share of the links of a small world that lead anywhere.
  private static let rewired: Float = 0.2
  private static let block = BlockShape(rows: 32, columns: 32)!

  /// A weight without those that are not there.
  func stored(_ weight: Matrix, at place: Place, seed: UInt64) -> StoredMatrix {
    let own = seed &+ UInt64(place.layer ?? 0) &* 0x9FB2_1C65_1E98_DF25 &+ Self.number(of: place.role) << 32
    let (rows, columns) = (weight.rows, weight.columns)
    let positions: Masked.Positions =
      switch pattern {
      case .random: .seed(own, perRow: Self.count(density, of: columns))
      case .blocks, .smallWorld: .blocks(Self.block, blocks(rows, columns, own))
      }
    return .masked(Masked(weight, at: positions))
  }

  /// A bit for each block.
  private func blocks(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Bytes {
    let grid = Self.block.grid(rows: rows, columns: columns)
    let bytes = Self.block.bytes(columns: columns)
    var generator = SeededGenerator(seed: seed)
    var bits = [UInt8](repeating: 0, count: grid.rows * bytes)
    for row in 0..<grid.rows {
      var places = Array(0..<grid.columns)
      places.shuffle(using: &generator)
      if pattern == .smallWorld {
        // Those nearest to the diagonal, in a ring, come first; each may give its turn to a random one.
        let centre = row * grid.columns / grid.rows
        let near = (0..<grid.columns).map { index in
          let step = (index + 1) / 2 * (index % 2 == 0 ? 1 : -1)
          return (centre + step % grid.columns + grid.columns) % grid.columns
        }
        for (turn, place) in near.enumerated() where generator.uniform() >= Self.rewired {
          places.swapAt(turn, places.firstIndex(of: place)!)
        }
      }
      for place in places.prefix(Self.count(density, of: grid.columns)) {
        bits[row * bytes + place / 8] |= 1 << (place % 8)
      }
    }
    return Bytes(copying: bits)
  }

  private static func count(_ density: Float, of columns: Int) -> Int {
    max(1, Int((density * Float(columns)).rounded()))
  }

  private static func number(of role: Place.Role) -> UInt64 {
    role.rawValue.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) }
  }
}
