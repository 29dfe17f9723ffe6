import Crypto
import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors

/// Finds the recipe that meets a target, from what is measured on the model itself.
///
///     let search = try Search(source, calibration: calibration, on: pool)
///     let table = try search.table()
///     let choice = try search.recipe(table, for: .bitsPerWeight(3.2))
public struct Search {
  private let source: Checkpoint
  private let decoder: Decoder
  private let contents: ModelContents
  private let calibration: Calibration
  private let memory: Int
  private let pool: ThreadPool

  /// A search for a decoder.
  ///
  /// - Throws: `TargetError.encoder` for an encoder, and what reading the model throws.
  public init(
    _ source: Checkpoint, calibration: Calibration, memory: Int = Compression.defaultMemory,
    on pool: ThreadPool
  ) throws {
    guard case .decoder(let decoder) = try source.model() else { throw TargetError.encoder }
    self.source = source
    self.decoder = decoder
    contents = ModelContents(decoder)
    self.calibration = calibration
    self.memory = memory
    self.pool = pool
  }

  /// Measures every matrix, or reads what was measured before for the same model, text and candidates.
  ///
  /// - Parameters:
  ///   - cache: a folder that keeps tables, for other targets; nil for none.
  ///   - progress: called with how many matrices of how many are measured.
  public func table(
    cache: String? = nil, progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> SensitivityTable {
    // A model that came packed must not grow.
    let isPacked = contents.maps.allSatisfy { $0.map.weight.bitsPerWeight < 16 }
    let offered = { (all: [Candidate]) in all.filter { !isPacked || !$0.isHalf } }
    let candidates = (layers: offered(Candidate.layers), embeddings: offered(Candidate.embeddings))
    let job = Job(source, contents, try Recipe(steps: candidates.layers[0].steps), calibration)
    let names = (candidates.layers + candidates.embeddings).map { JSONValue.string($0.name) }
    let key: JSONValue = ["job": job.key, "candidates": .array(names)]
    let file = cache.map { URL(filePath: $0).appending(path: "sensitivities-\(Self.digest(key)).json") }
    if let file, let known = try? SensitivityTable(file, key: key, contents, candidates) { return known }
    let measurement = SensitivityMeasurement(
      decoder: decoder, contents: contents, candidates: candidates, pool: pool)
    let table = try measurement.measure(
      calibration, memory: memory, folder: FileManager.default.temporaryDirectory.path, progress: progress)
    if let cache, let file {
      // Only a shortcut: without it the table is measured again.
      try? FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
      try? Data(table.json(key: key).serialized()).write(to: file, options: .atomic)
    }
    return table
  }

  private static func digest(_ key: JSONValue) -> String {
    SHA256.hash(data: Data(key.text().utf8)).prefix(8).map { String(format: "%02x", $0) }.joined()
  }

  /// The best recipe for a target.
  ///
  /// - Parameter share: for a perplexity, which share of the increase the estimate may use up.
  /// - Throws: `TargetError.tooSmall` if no storages are as small.
  public func recipe(_ table: SensitivityTable, for target: Target, share: Double = 1) throws
    -> AutomaticRecipe
  {
    switch target {
    case .size(let bytes): return try AutomaticRecipe(table, bytes: bytes)
    case .bitsPerWeight(let bits): return try AutomaticRecipe(table, bitsPerWeight: bits)
    case .perplexityIncrease(let increase):
      let allowed = log(1 + increase) * share
      var low = table.rows.reduce(table.otherBytes) { $0 + $1.choices.map(\.size).min()! }
      var high = table.rows.reduce(table.otherBytes) { $0 + $1.choices.map(\.size).max()! }
      var best = try AutomaticRecipe(table, bytes: high)
      while high - low > high / 500 {
        let middle = (low + high) / 2
        let choice = try AutomaticRecipe(table, bytes: middle)
        if choice.divergence <= allowed { (best, high) = (choice, middle) } else { low = middle }
      }
      return best
    }
  }
}

extension SensitivityTable {
  /// The table as a document.
  func json(key: JSONValue) -> JSONValue {
    [
      "key": key, "other_bytes": .int(otherBytes),
      "rows": .array(
        rows.map { row in
          [
            "name": .string(row.name), "sizes": .array(row.choices.map { .int($0.size) }),
            "costs": .array(row.choices.map { .double($0.cost) }),
          ]
        }),
    ]
  }

  /// A table from its document; throws if it is another's, or damaged.
  fileprivate init(
    _ file: URL, key: JSONValue, _ contents: ModelContents,
    _ candidates: (layers: [Candidate], embeddings: [Candidate])
  ) throws {
    let data = try Data(contentsOf: file)
    let json = try Bytes(copying: [UInt8](data)).withUnsafeBytes { try JSON(parsing: $0) }
    guard let known = json["key"], JSONValue(known).text() == key.text(),
      let other = json["other_bytes"]?.int,
      let list = json["rows"]?.array
    else { throw CocoaError(.fileReadCorruptFile) }
    let maps = Dictionary(uniqueKeysWithValues: contents.maps.map { ($0.name, $0.map) })
    var rows: [Row] = []
    for element in list {
      let sizes = element["sizes"]?.array.map { $0.compactMap(\.int) } ?? []
      let costs = element["costs"]?.array.map { $0.compactMap(\.double) } ?? []
      guard let name = element["name"]?.string, let map = maps[name], sizes.count == costs.count,
        sizes.count == (map.place.layer == nil ? candidates.embeddings : candidates.layers).count
      else { throw CocoaError(.fileReadCorruptFile) }
      rows.append(
        Row(
          name: name, place: map.place, weights: map.weight.rows * map.weight.columns,
          choices: zip(sizes, costs).map { MultipleChoiceKnapsack.Choice(size: $0, cost: $1) }))
    }
    self.init(rows: rows, otherBytes: other, candidates: candidates)
  }
}
