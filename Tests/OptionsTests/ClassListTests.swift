import ArgumentParser
import Foundation
import Options
import Settings
import Testing

@Suite("Lists of classes")
struct ClassListTests {
    private func names(_ text: String) throws -> Set<String>? {
        let path = NSTemporaryDirectory() + "classes-" + UUID().uuidString
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try DataOptions.classNames(path)
    }

    @Test("have a name on each line, or all in one line")
    func forms() throws {
        #expect(try names("n01 tench, Tinca tinca\n\n  n02\tgoldfish\r\nn03") == ["n01", "n02", "n03"])
        #expect(try names("n01 n02  n03\n") == ["n01", "n02", "n03"])
        #expect(try names("n01") == ["n01"])
        #expect(throws: (any Error).self) { try names(" \n\n") }
        #expect(throws: (any Error).self) { try DataOptions.classNames("/no/such/file") }
    }

    @Test("come with the program: a hundred of ImageNet's, which a recipe takes", arguments: ["", ".txt"])
    func imageNet100(suffix: String) throws {
        let names = try #require(try DataOptions.classNames("imagenet100-classes" + suffix))
        #expect(names.count == 100)
        #expect(names.allSatisfy { $0.count == 9 && $0.hasPrefix("n") && Int($0.dropFirst()) != nil })
        // The first and the last of the published list.
        #expect(names.isSuperset(of: ["n02869837", "n02090622"]))
    }
}
