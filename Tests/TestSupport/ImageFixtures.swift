internal import Foundation

/// Images that scripts/fixtures/images.py has written, whose names end so, in any case.
package func imageFixtures(_ suffixes: [String]) throws -> [(name: String, bytes: [UInt8])] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../ImageCodecsTests/Fixtures").standardized
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    return try names.filter { name in suffixes.contains { name.lowercased().hasSuffix($0) } }
        .map { ($0, [UInt8](try Data(contentsOf: folder.appendingPathComponent($0)))) }
}
