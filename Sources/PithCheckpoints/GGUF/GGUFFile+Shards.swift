import PithTensors

extension GGUFFile {
  /// The files of a split model after its first, which this must be; none for a model in one file.
  func otherShards() throws(CheckpointError) -> [GGUFFile] {
    guard let count = metadata["split.count"]?.int, count > 1 else { return [] }
    guard metadata["split.no"]?.int == 0 else {
      throw .badData(
        path: name, fault: "this is not the first of the \(count) files of a split model",
        mend: "give the first, whose name ends in \(Self.suffix(1, of: count))")
    }
    let suffix = Self.suffix(1, of: count)
    guard name.hasSuffix(suffix) else {
      throw .badData(
        path: name, fault: "the first of the \(count) files of a split model must have a name in \(suffix)",
        mend: "rename the files as they were")
    }
    let stem = String(name.dropLast(suffix.count))
    var shards: [GGUFFile] = []
    for number in 2...count {
      let path = stem + Self.suffix(number, of: count)
      let shard = try GGUFFile(Bytes(opening: path), name: path)
      guard shard.metadata["split.no"]?.int == number - 1, shard.metadata["split.count"]?.int == count else {
        throw .badData(path: shard.name, fault: "the file is not number \(number) of a model in \(count)")
      }
      shards.append(shard)
    }
    return shards
  }

  private static func suffix(_ number: Int, of count: Int) -> String {
    func padded(_ value: Int) -> String {
      String(repeating: "0", count: max(0, 5 - String(value).count)) + String(value)
    }
    return "-\(padded(number))-of-\(padded(count)).gguf"
  }
}
