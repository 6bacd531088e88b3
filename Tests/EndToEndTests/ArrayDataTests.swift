import Foundation
import TestSupport
import Testing

@Suite("Arrays of any type are pretrained on", .serialized)
struct ArrayDataTests {
    private static let count = 96

    /// The file of an array [N, C, H, W] or [N, H, W, C] of 16 × 16 images of two channels.
    private func write(
        _ folder: TemporaryDirectory, _ name: String, _ type: String, interleaved: Bool = false,
        _ element: (Int) -> [UInt8]
    ) throws -> String {
        var elements: [UInt8] = []
        for index in 0..<Self.count {
            for place in 0..<512 {
                let (pixel, channel) = interleaved ? (place / 2, place % 2) : (place % 256, place / 256)
                elements += element(index * 512 + channel * 256 + pixel)
            }
        }
        let shape = interleaved ? "16, 16, 2" : "2, 16, 16"
        let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(Self.count), \(shape)), }\n"
        let bytes = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + elements
        return try folder.write(name, bytes)
    }

    private static func byte(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: (index &* 2_654_435_761) >> 13) }

    private static func bytes(of value: Float) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
    }

    private func arguments(_ folder: TemporaryDirectory, _ name: String, data: String) -> [String] {
        SmallRun.arguments(folder.file(name), epochs: 2, batch: 24)
            + ["--data-path", data, "--deterministic", "--checkpoint-every", "1"]
    }

    private func pixels(_ result: Program.Result) throws -> String {
        try #require(result.exitCode == 0, "\(result.errors)")
        return String(try #require(result.output.split(separator: "\n").first { $0.hasPrefix("pixels ") }))
    }

    @Test("bytes give the same weights in each order of axes, and as IDX")
    func bytes() throws {
        let folder = try TemporaryDirectory()
        let planar = try write(folder, "planar.npy", "|u1") { [Self.byte($0)] }
        let interleaved = try write(folder, "interleaved.npy", "|u1", interleaved: true) { [Self.byte($0)] }
        let header: [UInt8] = [0, 0, 8, 4, 0, 0, 0, 96, 0, 0, 0, 2, 0, 0, 0, 16, 0, 0, 0, 16]
        try folder.write("idx/train-images-idx3-ubyte", header + (0..<Self.count * 512).map(Self.byte))
        var weights: [[Float]] = []
        for (number, data) in [planar, interleaved, folder.file("idx")].enumerated() {
            let result = try Program.run(arguments(folder, "\(number)", data: data), ranks: number == 1 ? 2 : nil)
            #expect(result.exitCode == 0, "\(result.errors)")
            weights.append(try SmallRun.weights(folder.file("\(number)"), step: 8, keyBiases: true))
        }
        #expect(weights[0] == weights[1] && weights[0] == weights[2])
    }

    @Test(
        "16-bit integers and floats, far from those of bytes, train and go on, with the same bits at any number of ranks",
        arguments: ["<u2", "<f4"])
    func wide(type: String) throws {
        let folder = try TemporaryDirectory()
        let data = try write(folder, "x.npy", type, interleaved: true) { index in
            let value = Int(Self.byte(index)) * 201
            return type == "<u2"
                ? [UInt8(value & 255), UInt8(value >> 8)] : Self.bytes(of: Float(value) - 20_000)
        }
        let whole = try Program.run(arguments(folder, "whole", data: data))
        let parts = try Program.run(arguments(folder, "parts", data: data), ranks: 4)
        let lines = try [pixels(whole), pixels(parts)]
        #expect(lines[0] == lines[1])
        try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-00000008"))
        let resumed = try Program.run(arguments(folder, "parts", data: data) + ["--resume", "auto"], ranks: 2)
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
        let weights = try ["whole", "parts"].map {
            try SmallRun.weights(folder.file($0), step: 8, keyBiases: true)
        }
        #expect(weights[0] == weights[1])
        #expect(!weights[0].contains { !$0.isFinite })
    }

    @Test("an image with a pixel that is no number is skipped, or ends the run before its first step")
    func notFinite() throws {
        let folder = try TemporaryDirectory()
        let data = try write(folder, "x.npy", "<f4") { Self.bytes(of: $0 == 71 * 512 + 300 ? .nan : Float($0 % 7)) }
        let said = "\(data): image 71 has a pixel that is infinite or not a number"
        let skipping = try Program.run(arguments(folder, "run", data: data), ranks: 2)
        #expect(skipping.exitCode == 0 && skipping.output.contains("skipped \(said)"), "\(skipping.errors)")
        #expect(try SmallRun.weights(folder.file("run"), step: 8).contains { !$0.isFinite } == false)
        let failing = try Program.run(
            arguments(folder, "other", data: data) + ["--on-bad-image", "fail"], ranks: 2,
            environment: Program.endingTogether)
        #expect(failing.exitCode == 1 && failing.messages.count == 1, "\(failing.errors)")
        #expect(failing.messages.first?.contains(said) == true, "\(failing.messages)")
    }

    @Test("a mapped file that becomes shorter during the run ends it, and that is said", arguments: [1, 2])
    func truncated(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        // Larger than any file may become that is written from now on, in memory too, so that it is not copied.
        let data = try folder.write("x.npy", numPyBytes("'|u1'", [Self.count, 2, 256, 256], []))
        let size = try FileManager.default.attributesOfItem(atPath: data)[.size] as? Int
        let bytes = try #require(size) + Self.count * 2 * 256 * 256
        #expect(unsafe truncate(data, off_t(bytes)) == 0)
        let gate = LogGate(in: folder)
        let program =
            ["bash", "-c", "ulimit -S -f 8192; exec \"$@\"", "bash", Program.path]
            + SmallRun.arguments(folder.file("run"), epochs: 40, batch: 24) + ["--data-path", data]
        let result = try Program.run(
            commands: [[String]](repeating: program, count: ranks), environment: gate.environment
        ) { _ in
            try wait { fileExists(folder.file("run/log.txt")) }
            #expect(unsafe truncate(data, 4096) == 0)
            try gate.open()
        }
        #expect(result.exitCode != 0)
        let messages = result.messages.filter { $0.contains("their file became shorter during the run") }
        #expect((1...ranks).contains(messages.count), "\(result.errors)")
    }

    @Test("where inflated files cannot be shared each rank has its own")
    func notShared() throws {
        let folder = try TemporaryDirectory()
        let record = { (salt: Int) in [UInt8(salt % 10)] + patternBytes(3072, salt: salt) }
        for batch in 1...5 {
            let path = try folder.write("data/data_batch_\(batch).bin", (0..<40).flatMap(record))
            #expect(try Program.launch(["gzip", path]).exitCode == 0)
        }
        let run =
            SmallRun.arguments("", batch: 20)
            + ["--data-path", folder.file("data"), "--in-chans", "3", "--dry-run"]
        let shared = try Program.run(run, ranks: 2)
        // No file may have more than 1024 bytes, in memory neither.
        let program = ["bash", "-c", "ulimit -S -f 1; exec \"$@\"", "bash", Program.path] + run
        let limited = try Program.run(commands: [program, program])
        for result in [shared, limited] {
            #expect(result.exitCode == 0 && result.output.contains("cifar-10, 200 images"), "\(result.errors)")
        }
    }

    /// Heap allocations of a run.
    private func allocations(_ arguments: [String]) throws -> Int {
        let result = try Program.run(arguments, environment: ["LD_PRELOAD": Program.library("AllocationCounter")])
        try #require(result.exitCode == 0, "\(result.errors)")
        let line = try #require(result.errors.split(separator: "\n").last { $0.hasPrefix("allocations: ") })
        return try #require(Int(line.dropFirst("allocations: ".count)))
    }

    @Test("a step on floats allocates no more than one on bytes")
    func allocations() throws {
        let folder = try TemporaryDirectory()
        let bytes = try write(folder, "bytes.npy", "|u1") { [Self.byte($0)] }
        let floats = try write(folder, "floats.npy", "<f4", interleaved: true) { Self.bytes(of: Float(Self.byte($0))) }
        let more = try [bytes, floats].map { data in
            // Without statistics, which are computed once, and checkpoints.
            let arguments =
                SmallRun.arguments("", epochs: 40, batch: 24)
                + ["--data-path", data, "--mean", "0.5", "--std", "0.5", "--epochs"]
            return try allocations(arguments + ["41"]) - allocations(arguments + ["1"])
        }
        // One for each image would be 3840 more; runs differ by some hundred.
        #expect(more[1] - more[0] < 1920, "\(more)")
    }
}
