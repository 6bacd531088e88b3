import Foundation
import TestSupport
import Testing

@Suite("How images are decoded is a setting of the run", .serialized)
struct DecodingTests {
    private let folder: TemporaryDirectory

    /// Photographs of 131 × 99 pixels, of which two have an orientation, by class and in tars.
    init() throws {
        folder = try TemporaryDirectory()
        var tars = [TarBytes(), TarBytes()]
        let images = try imageFixtures([".jpg"]).filter { $0.name.hasPrefix("large") }
        for number in 0..<40 {
            let name = "class-\(number % 2)/\(number).jpg"
            try folder.write("images/\(name)", images[number % images.count].bytes)
            tars[number % 2].add(name, images[number % images.count].bytes)
        }
        for (number, tar) in tars.enumerated() { try folder.write("tars/\(number).tar", tar.finished) }
    }

    private func checksum(_ data: String, _ more: [String] = [], ranks: Int? = nil) throws -> Int {
        let result = try Program.run(
            ["data"] + SmallRun.model + [
                "--data-path", folder.file(data), "--batch-size", "\(16 / (ranks ?? 1))", "--seconds", "0.01",
                "--in-chans", "3", "--cache-dir", "", "--json",
            ] + more, ranks: ranks)
        try #require(result.exitCode == 0, "\(result.errors)")
        let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return try #require(object?["first_batch"] as? Int)
    }

    private static let ways = [
        [], ["--exif", "apply"], ["--decode", "fast"], ["--exif", "apply", "--decode", "fast"],
    ]

    @Test("each way gives other pixels, the same at any number of ranks and threads, from files and from tars")
    func pixels() throws {
        var found: Set<Int> = []
        for way in Self.ways {
            let expected = try checksum("images", way)
            found.insert(expected)
            #expect(try checksum("tars", way + ["--workers", "3"], ranks: 2) == expected)
        }
        #expect(found.count == Self.ways.count)
    }

    @Test("a run that goes on within an epoch decodes as before, and has the same bits", arguments: ["images", "tars"])
    func resumed(data: String) throws {
        func run(_ name: String, _ more: [String]) throws -> Program.Result {
            let result = try Program.run(
                SmallRun.arguments(folder.file(name), epochs: 2, batch: 8) + [
                    "--data-path", folder.file(data), "--in-chans", "3", "--cache-dir", "", "--num-workers", "2",
                ] + more, ranks: 2)
            try #require(result.exitCode == 0, "\(result.errors)")
            return result
        }
        let settings = ["--exif", "apply", "--decode", "fast"]
        _ = try run("whole", settings)
        _ = try run("parts", settings + ["--checkpoint-every", "4steps"])
        // Back to the fourth of the five steps of an epoch.
        for step in ["08", "10"] {
            try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-000000\(step)"))
        }
        // What is not given is what it was.
        let resumed = try run("parts", ["--resume", "auto"])
        #expect(resumed.output.contains("checkpoint-00000004"))
        #expect(!resumed.output.contains("in the checkpoint"), "\(resumed.output)")
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: 10, keyBiases: true) }
        #expect(try weights("parts") == weights("whole"))
        let other = try run("parts", ["--resume", "auto", "--epochs", "3", "--decode", "exact", "--exif", "ignore"])
        for note in ["--exif apply in the checkpoint, ignore now", "--decode fast in the checkpoint, exact now"] {
            #expect(other.output.contains("note: \(note)"), "\(other.output)")
        }
    }

    @Test("a pack whose images were scaled upright has them upright")
    func packed() throws {
        func pack(_ name: String, _ more: [String]) throws {
            let result = try Program.run(
                [
                    "pack", "--data-path", folder.file("images"), "--output-dir", folder.file(name), "--threads", "1",
                ] + more)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        try pack("bytes", ["--exif", "apply"])
        for way in Self.ways { #expect(try checksum("bytes", way) == checksum("images", way)) }
        try pack("upright", ["--exif", "apply", "--resize", "64", "--encode", "png"])
        try pack("stored", ["--resize", "64", "--encode", "png"])
        let upright = try checksum("upright")
        #expect(try checksum("upright", ["--exif", "apply"]) == upright)
        #expect(try checksum("stored") != upright && checksum("stored", ["--exif", "apply"]) != upright)
    }
}
