import Foundation
import PithCheckpoints
import PithModels
import PithQuantization
import PithTensors
import PithWeights

extension Compression {
  /// Finds what can be known at once, before a text is read or written; a run begins with it.
  ///
  /// - Parameters:
  ///   - recipe: what would be done; nil where it is still to be searched for, so every matrix counts.
  ///   - output: where the folder would appear; nil if nothing will be written.
  /// - Throws: `CheckpointError` if the output cannot be written or the model is compressed already, `RecipeError` for
  ///   a step that matches nothing, `CompressionError` naming a weight that is no number.
  public static func preflight(
    _ recipe: Recipe?, _ source: Checkpoint, to output: String?, _ settings: Settings = Settings(),
    on pool: ThreadPool
  ) throws {
    if let output {
      try refuseToReplace(source, output)
      try Workspace.check(output, resumes: settings.resumes, overwrite: settings.overwrite)
    }
    let model = try source.model()
    let contents = ModelContents(model)
    if !settings.overwrite, let (name, map) = contents.maps.first(where: { $0.map.weight.isPithPacked }) {
      throw CheckpointError.badData(
        path: source.path, fault: "the model is already compressed ('\(name)' is \(map.weight.summary))",
        mend: "compress the original, or pass --force to compress what its weights decode to")
    }
    let plan = try recipe.map { recipe throws(RecipeError) in
      try Plan(recipe, for: ModelContents(recipe.outline(model)))
    }
    // What is to be cut out of a model, all of it says.
    let all = recipe.map { $0.drop != nil } ?? true
    for (name, map) in contents.maps where all || plan.map({ $0[map.place].quantizer != nil }) ?? true {
      try map.weight.checkFinite(name, on: pool)
    }
  }

  /// The model is mapped while the output takes its place, and would be gone.
  private static func refuseToReplace(_ source: Checkpoint, _ output: String) throws(CheckpointError) {
    let paths = [source.path, output].map {
      URL(filePath: $0).standardizedFileURL.resolvingSymlinksInPath().standardizedFileURL.path
    }
    guard paths[0] == paths[1] || paths[0].hasPrefix(paths[1] + "/") else { return }
    let fault = paths[0] == paths[1] ? "it is the model itself" : "the model lies in it"
    throw .cannotCreate(path: output, fault: fault, mend: "choose another name")
  }
}

extension StoredMatrix {
  /// Whether the matrix is in one of Pith's own storages.
  fileprivate var isPithPacked: Bool {
    switch self {
    case .dense, .blocks: false
    default: true
    }
  }

  /// Reads the matrix row by row, and lets go of its pages.
  ///
  /// - Throws: `CompressionError` naming the first weight that is NaN or infinite.
  func checkFinite(_ name: String, on pool: ThreadPool) throws(CompressionError) {
    defer { releasePages() }
    let (rows, columns) = (rows, columns)
    // One part for each thread; each notes the first weight at fault of its own.
    let grain = max(1, (rows + pool.threads - 1) / pool.threads)
    var faults = [Int](repeating: .max, count: (rows + grain - 1) / grain)
    faults.withUnsafeMutableBufferPointer { faults in
      nonisolated(unsafe) let faults = faults
      pool.forEach(count: rows, grain: grain) { part in
        var values = [Float](repeating: 0, count: columns)
        for row in part {
          values.withUnsafeMutableBufferPointer { decode(row: row, into: $0.baseAddress!) }
          // 0 times a number is 0, unless the number is none: a sum finds that faster than a test of each.
          guard !values.reduce(0, { $0 + $1 * 0 }).isFinite else { continue }
          faults[part.lowerBound / grain] = row * columns + values.firstIndex { !$0.isFinite }!
          return
        }
      }
    }
    guard let first = faults.min(), first != .max else { return }
    throw CompressionError(matrix: name, .notFinite(row: first / columns, column: first % columns))
  }

  /// Lets go of the memory of a file that the matrix lies in; it is read again when it is touched.
  func releasePages() { for tensor in tensors { tensor.bytes.releasePages() } }
}
