import Foundation
import PithCheckpoints
import Testing

struct StagedFolderTests {
  private let parent = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)")
    .path

  @Test func aFolderThatIsNoModelIsNeverReplaced() throws {
    let home = try folder("home", holding: "letters.txt")
    defer { try? FileManager.default.removeItem(atPath: parent) }
    let error = #expect(throws: CheckpointError.self) {
      try StagedFolder(home, filledAt: parent + "/.partial", overwrite: true)
    }
    #expect(error?.description.contains(home) == true && error?.description.contains("config.json") == true)
    #expect(FileManager.default.fileExists(atPath: home + "/letters.txt"))
    let file = #expect(throws: CheckpointError.self) {
      try StagedFolder(home + "/letters.txt", filledAt: parent + "/.partial", overwrite: true)
    }
    #expect(file?.description.contains("letters.txt") == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: parent) == ["home"])
  }

  @Test func aModelIsReplacedOnlyWhenAllIsThere() throws {
    let model = try folder("model", holding: "config.json")
    defer { try? FileManager.default.removeItem(atPath: parent) }
    do {
      let abandoned = try StagedFolder(model, filledAt: parent + "/.partial", overwrite: true)
      try abandoned.write([1], to: "config.json")
    }
    #expect(try Data(contentsOf: URL(filePath: model + "/config.json")).isEmpty)
    let staged = try StagedFolder(model, filledAt: parent + "/.partial", overwrite: true)
    try staged.write([2], to: "config.json")
    try staged.write([3], to: "1_Pooling/config.json")
    try staged.commit()
    #expect(try [UInt8](Data(contentsOf: URL(filePath: model + "/config.json"))) == [2])
    #expect(try [UInt8](Data(contentsOf: URL(filePath: model + "/1_Pooling/config.json"))) == [3])
    #expect(try FileManager.default.contentsOfDirectory(atPath: parent) == ["model"])
  }

  @Test func whatExistsIsKeptUnlessAskedOtherwise() throws {
    let model = try folder("model", holding: "config.json")
    defer { try? FileManager.default.removeItem(atPath: parent) }
    let error = #expect(throws: CheckpointError.self) {
      try StagedFolder(model, filledAt: parent + "/.partial", overwrite: false)
    }
    guard case .cannotCreate = error else { throw Unexpected.error(error) }
  }

  private enum Unexpected: Error { case error(CheckpointError?) }

  private func folder(_ name: String, holding file: String) throws -> String {
    let path = parent + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Data().write(to: URL(filePath: path + "/" + file))
    return path
  }
}
