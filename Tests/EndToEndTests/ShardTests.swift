import Foundation
import TestSupport
import Testing

@Suite("One data set as a folder, tars and a pack", .serialized)
struct ShardTests {
    private let folder: TemporaryDirectory

    /// 64 images of four classes, as files and in two tars.
    init() throws {
        folder = try TemporaryDirectory()
        var tars = [TarBytes(), TarBytes(.pax)]
        for number in 0..<64 {
            let name = "class-\(number % 4)/\(number * 7 % 64).png"
            let image = pngBytes(width: 16 + number % 5, height: 18, patternBytes(54 * (16 + number % 5), salt: number))
            try folder.write("images/\(name)", image)
            tars[number % 2].add("./\(name)", image)
        }
        for (number, tar) in tars.enumerated() { try folder.write("tars/x-\(number).tar", tar.finished) }
    }

    private func pack(_ arguments: [String], ranks: Int? = nil) throws -> Program.Result {
        try Program.run(["pack", "--data-path", folder.file("images"), "--threads", "1"] + arguments, ranks: ranks)
    }

    private func weights(_ name: String, data: String, ranks: Int?, _ more: [String] = []) throws -> [Float] {
        let result = try Program.run(
            SmallRun.arguments(folder.file(name), batch: 16)
                + ["--data-path", data, "--in-chans", "3", "--deterministic", "--num-workers", "2"] + more, ranks: ranks
        )
        #expect(result.exitCode == 0, "\(result.errors)")
        return try SmallRun.weights(folder.file(name), step: 4, keyBiases: true)
    }

    @Test("trains to the same weights, at any number of ranks")
    func sameWeights() throws {
        let packed = try pack(["--output-dir", folder.file("packed"), "--shard-size", "1"], ranks: 2)
        #expect(packed.exitCode == 0, "\(packed.errors)")
        #expect(packed.output.contains("64 images"))
        let expected = try weights("folder", data: folder.file("images"), ranks: nil)
        #expect(try weights("tars", data: folder.file("tars/x-{0,1}.tar"), ranks: 2) == expected)
        #expect(try weights("pack", data: folder.file("packed"), ranks: 4) == expected)
        #expect(
            try weights("staged", data: folder.file("tars"), ranks: 2, ["--stage", folder.file("disk")]) == expected)
    }

    @Test("packing keeps the list of many files for the runs that follow, and takes the one that is kept")
    func listing() throws {
        let image = pngBytes(width: 1, height: 1, [1, 2, 3])
        for number in 0..<2_000 { try folder.write("many/\(number).png", image) }
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: folder.file("many"))
        func pack(_ name: String) throws {
            let result = try Program.run(
                ["pack", "--data-path", folder.file("many"), "--output-dir", folder.file(name)],
                environment: ["XDG_CACHE_HOME": folder.file("cache")])
            #expect(result.exitCode == 0 && result.output.contains("2000 images"), "\(result.errors)")
        }
        try pack("first")
        let kept = try FileManager.default.contentsOfDirectory(atPath: folder.file("cache/umae-dist"))
        #expect(kept.count == 1)
        // Nobody looks into a directory that has not changed.
        try folder.write("many/more.png", image)
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: folder.file("many"))
        try pack("second")
    }

    @Test("a dry run says what would be brought to a host's own disk, and brings nothing")
    func dryStaging() throws {
        func run(_ disk: String, _ more: [String] = []) throws -> Program.Result {
            try Program.run(
                SmallRun.arguments(folder.file("run"), batch: 16)
                    + ["--data-path", folder.file("tars"), "--in-chans", "3", "--stage", folder.file(disk)] + more,
                ranks: 2)
        }
        let before = try RunDirectoryTests.picture(of: folder.path)
        let dry = try run("disk/of/host", ["--dry-run"])
        #expect(dry.exitCode == 0, "\(dry.errors)")
        #expect(
            dry.output.contains("--stage: 2 files (0 MiB) would be brought to \(folder.file("disk/of/host/tars-"))"))
        #expect(try RunDirectoryTests.picture(of: folder.path) == before)
        // What the run refuses is refused.
        try folder.write("file", [])
        let (refused, dryRefused) = (try run("file"), try run("file", ["--dry-run"]))
        #expect(refused.exitCode != 0 && refused.exitCode == dryRefused.exitCode, "\(dryRefused.errors)")
        #expect(refused.messages.count == 1 && refused.messages == dryRefused.messages, "\(dryRefused.errors)")
        #expect(refused.messages.first?.contains("--stage: \(folder.file("file"))") == true, "\(refused.messages)")
    }

    @Test("a run on a folder goes on with tars")
    func resumed() throws {
        let expected = try weights("whole", data: folder.file("images"), ranks: nil)
        _ = try weights("parts", data: folder.file("images"), ranks: nil, ["--checkpoint-every", "2steps"])
        try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-00000004"))
        #expect(try weights("parts", data: folder.file("tars"), ranks: 2, ["--resume", "auto"]) == expected)
    }

    @Test("a pack that is there, arrays, and images that are not are refused in one line")
    func refused() throws {
        #expect(try pack(["--output-dir", folder.file("packed")]).exitCode == 0)
        for arguments in [
            ["--output-dir", folder.file("packed")], ["--output-dir", folder.file("new"), "--data-path", "synthetic"],
            ["--output-dir", folder.file("new"), "--data-path", folder.file("tars/x-{0..2}.tar")],
            ["--output-dir", folder.file("new"), "--resize", "0"],
        ] {
            let result = try pack(arguments)
            #expect(result.exitCode != 0 && result.errors.split(separator: "\n").filter { !$0.isEmpty }.count <= 3)
        }
        #expect(try !folder.names.contains { $0.hasPrefix("new") || $0.hasSuffix(".partial") })
    }
}
