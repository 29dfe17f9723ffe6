import Foundation
import PithCheckpoints
import PithTestSupport
import Testing

struct CompanionFileTests {
  /// A model that pools otherwise than by the mean must not lose the file that says so.
  @Test func poolingIsCarriedOver() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.copyItem(atPath: Fixtures.path("models/bert"), toPath: folder)
    try FileManager.default.createDirectory(
      atPath: folder + "/1_Pooling", withIntermediateDirectories: true)
    let pooling = #"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#
    try Data(pooling.utf8).write(to: URL(filePath: folder + "/1_Pooling/config.json"))
    let checkpoint = try Checkpoint(path: folder)
    #expect(throws: CheckpointError.self) { try checkpoint.pooling(contextLength: 16) }
    #expect(
      try checkpoint.companionFiles().first { $0.name == "1_Pooling/config.json" }?.bytes
        == Array(pooling.utf8))
  }
}
