import Foundation
import TestSupport
import Testing

@Suite("Broken tars and packs end with one line that names the thing, and their broken images are skipped", .serialized)
struct BrokenShardTests {
    private let folder: TemporaryDirectory
    private static let count = 40

    init() throws { folder = try TemporaryDirectory() }

    private static func image(_ number: Int) -> [UInt8] {
        pngBytes(width: 16, height: 17, patternBytes(816, salt: number))
    }

    private func tar(labels: [String] = [], names: (Int) -> String = { "\($0 % 4)/\($0).png" }) -> TarBytes {
        var tar = TarBytes(.pax)
        for number in 0..<Self.count {
            tar.add(names(number), Self.image(number))
            if labels.isEmpty { continue }
            tar.add(
                names(number).replacingOccurrences(of: ".png", with: ".cls"), Array(labels[number % labels.count].utf8))
        }
        return tar
    }

    private func run(_ data: String, _ more: [String] = []) throws -> Program.Result {
        try Program.run(
            SmallRun.arguments(folder.file("run"), batch: 8) + [
                "--data-path", folder.file(data), "--in-chans", "3", "--cache-dir", "",
            ] + more, ranks: 2, environment: Program.endingTogether)
    }

    private func expectRefusal(_ data: String, _ mentions: String...) throws {
        let result = try run(data)
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        for mention in mentions { #expect(result.messages.first?.contains(mention) == true, "\(result.messages)") }
        #expect(!fileExists(folder.file("run/log.txt")))
    }

    @Test("a header whose checksum is wrong")
    func checksum() throws {
        var bytes = tar().finished
        let headers = stride(from: 0, to: bytes.count, by: 512).filter {
            Array(bytes[$0 + 257..<$0 + 262]) == Array("ustar".utf8)
        }
        bytes[headers[headers.count / 2] + 2] ^= 1
        try folder.write("x.tar", bytes)
        try expectRefusal("x.tar", folder.file("x.tar"), "is damaged at byte")
    }

    @Test("shards that are missing")
    func missing() throws {
        try folder.write("x-0.tar", tar().finished)
        try expectRefusal("x-{0..3}.tar", "3 of its 4 files are missing", folder.file("x-1.tar"))
    }

    @Test("labels that are no classes", arguments: ["1.5", "cat", "-1", "99999999999999999999", ""])
    func labels(text: String) throws {
        try folder.write("x.tar", tar(labels: ["0", "1", text]).finished)
        try expectRefusal("x.tar", folder.file("x.tar"), "the label in its member 2/2.cls is no whole number from 0 to")
    }

    @Test("names that lead out of a tar are names, and nothing is unpacked")
    func outside() throws {
        try folder.write("below/x.tar", tar(names: { "../../escaped/\($0).png" }).finished)
        let result = try run("below/x.tar")
        #expect(result.exitCode == 0 && result.output.contains("data     x.tar, 40 images"), "\(result.errors)")
        #expect(try folder.names == ["below", "run"] && !fileExists(folder.path + "/../escaped"))
    }

    @Test("an image of a tar that cannot be decoded, named with its member, whose name may have any bytes")
    func badMember() throws {
        var tar = tar()
        tar.add(Array("1/line\nend ".utf8) + [0xFF] + Array(".png".utf8), Array("<html>".utf8))
        tar.add("1/cut.png", Array(Self.image(1).dropLast(40)))
        try folder.write("x.tar", tar.finished)
        let result = try run("x.tar")
        #expect(result.exitCode == 0, "\(result.errors)")
        let notes = result.output.split(separator: "\n").filter { $0.contains("skipped") }
        #expect(notes.count == 2, "\(notes)")
        let path = folder.file("x.tar")
        #expect(
            notes.contains {
                $0.hasSuffix("\(path): 1/line?end \u{FFFD}.png: is a page of HTML or XML, neither JPEG nor PNG")
            })
        #expect(notes.contains { $0.contains("\(path): 1/cut.png: is damaged: ") })
    }

    @Test("a pack whose files are not those of its index")
    func pack() throws {
        for number in 0..<Self.count { try folder.write("images/\(number % 4)/\(number).png", Self.image(number)) }
        let packed = try Program.run(
            ["pack", "--data-path", folder.file("images"), "--output-dir", folder.file("pack"), "--threads", "1"])
        #expect(packed.exitCode == 0, "\(packed.errors)")
        let shard = folder.file("pack/shard-00000.bin")
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: shard)))
        var flipped = bytes
        flipped[bytes.count / 2] ^= 1
        try folder.write("pack/shard-00000.bin", flipped)
        let result = try run("pack")
        let notes = result.output.split(separator: "\n").filter { $0.contains("skipped") }
        #expect(result.exitCode == 0 && notes.count == 1, "\(result.errors)\(notes)")
        #expect(notes.first?.contains("its checksum is another") == true)
        try FileManager.default.removeItem(atPath: folder.file("run"))
        try folder.write("pack/shard-00000.bin", Array(bytes.dropLast(1)))
        try expectRefusal("pack", shard)
        try FileManager.default.removeItem(atPath: shard)
        try expectRefusal("pack", shard)
        try folder.write("pack/shard-00000.bin", bytes)
        var index = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file("pack/index.umae"))))
        index[index.count / 2] ^= 1
        try folder.write("pack/index.umae", index)
        try expectRefusal("pack", folder.file("pack/index.umae"))
    }
}
