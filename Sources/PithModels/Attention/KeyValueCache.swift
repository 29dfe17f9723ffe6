import PithTensors

/// The keys and values of the tokens that a decoder has seen, for several sequences.
///
/// Memory for `capacity` positions is reserved at the start, but the system provides a page only when a position
/// in it is written. Keys lie position after position; values lie transposed, one run of positions for each
/// dimension, so that both products of attention read along rows.
public final class KeyValueCache: @unchecked Sendable {
  // Sendable: one inference at a time writes, and its threads write apart from one another.

  /// The number of positions that each sequence can hold.
  public let capacity: Int

  /// The number of sequences.
  public let sequences: Int

  /// How many positions of each sequence are filled.
  public private(set) var lengths: [Int]

  let headDimension: Int
  /// The distance between two dimensions of transposed values, in floats: odd in cache lines, so that they do not
  /// fall on the same sets of the processor's cache.
  let valueStride: Int
  private let keyValueHeads: Int
  private let layers: Int
  private let keys: UnsafeMutablePointer<Float>
  private let values: UnsafeMutablePointer<Float>

  /// An empty cache for a decoder.
  public init(_ configuration: DecoderConfiguration, sequences: Int = 1, capacity: Int) {
    self.capacity = capacity
    self.sequences = sequences
    lengths = [Int](repeating: 0, count: sequences)
    headDimension = configuration.headDimension
    keyValueHeads = configuration.keyValueHeads
    layers = configuration.layers.count
    valueStride = ((capacity + 15) / 16 | 1) * 16
    let runs = sequences * layers * keyValueHeads
    keys = .allocate(capacity: max(1, runs * capacity * headDimension))
    values = .allocate(capacity: max(1, runs * valueStride * headDimension))
  }

  deinit {
    keys.deallocate()
    values.deallocate()
  }

  /// Bytes that one position of one sequence takes.
  public var bytesPerPosition: Int { layers * keyValueHeads * headDimension * 2 * MemoryLayout<Float>.size }

  /// Forgets all positions of a sequence from `length` on.
  public func truncate(_ sequence: Int, to length: Int) { lengths[sequence] = min(lengths[sequence], length) }

  /// Notes that the positions of a batch are filled in all layers.
  func advance(_ batch: Batch) {
    for run in batch.runs { lengths[run.sequence] = run.position + run.rows.count }
  }

  /// The keys of a head: `headDimension` values for each position.
  func keys(sequence: Int, layer: Int, head: Int) -> UnsafeMutablePointer<Float> {
    keys + ((sequence * layers + layer) * keyValueHeads + head) * capacity * headDimension
  }

  /// The values of a head: `valueStride` positions for each dimension.
  func values(sequence: Int, layer: Int, head: Int) -> UnsafeMutablePointer<Float> {
    values + ((sequence * layers + layer) * keyValueHeads + head) * valueStride * headDimension
  }
}
