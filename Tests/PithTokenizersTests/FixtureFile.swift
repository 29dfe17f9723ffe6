import Foundation
import PithJSON
import PithTestSupport

enum FixtureFile {
  static func json(_ path: String) throws -> JSON {
    try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: Fixtures.path(path)))))
  }
}
