import Safetensors
import Checkpoints
import Foundation
import TestSupport
import Testing

/// Ranks that do not have the same program, data or numbers.
@Suite("Ranks that differ are noticed and named", .serialized)
struct DivergenceTests {
    @Test("ranks with different builds")
    func builds() throws {
        let folder = try TemporaryDirectory()
        let other = folder.file("umae-dist")
        var program = try Data(contentsOf: URL(fileURLWithPath: Program.path))
        program.append(0)
        try program.write(to: URL(fileURLWithPath: other))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: other)
        let run = SmallRun.arguments(folder.file("run"))
        let result = try Program.run(
            commands: [[Program.path] + run, [Program.path] + run, [other] + run])
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        for mention in ["different builds of umae-dist", "rank 0 has '\(program.count - 1) bytes", "rank 2 has"] {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
    }

    @Test("ranks with different images under one path")
    func images() throws {
        let folder = try TemporaryDirectory()
        for (index, name) in ["0", "1"].enumerated() {
            try IDXFiles.write(to: folder.file("\(name)/images"), seed: index)
        }
        let run =
            [Program.path] + SmallRun.arguments(folder.file("run"), batch: 9)
            + ["--data-path", "images", "--in-chans", "1"]
        let result = try Program.run(
            commands: ["0", "0", "1"].map { ["-wdir", folder.file($0)] + run })
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        for mention in ["different images", "rank 0 has '64 images, checksum ", "rank 2 has"] {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
    }

    /// Lets a run stand at weights that do not change, and overwrites those of one rank, as failing memory would.
    ///
    /// - Parameter spoil: changes sixteen neighbouring weights.
    private func run(
        spoiling rank: Int, ranks: Int, _ more: [String], _ spoil: ([Float]) -> [Float]
    ) throws -> Program.Result {
        let folder = try TemporaryDirectory()
        let arguments =
            SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400, batch: 12)
            + ["--lr", "0", "--checkpoint-every", "100000"] + more
        // The first weights, from a run of one epoch with the same seed.
        let first = try Program.run(SmallRun.arguments(folder.file("first"), images: 24, batch: 12) + ["--lr", "0"])
        #expect(first.exitCode == 0, "\(first.errors)")
        let file = try SafetensorsFile(path: folder.file("first/checkpoint-00000002/model.safetensors"))
        let weights = Array(try file.floats("decoder_pred.weight").prefix(16))
        return try Program.run(arguments, ranks: ranks) { process in
            try wait { fileExists(folder.file("run/log.txt")) }
            let victim = try Ranks(count: ranks, of: folder.file("run"))[rank]
            let places = try Ranks.overwrite(weights, with: spoil(weights), in: victim)
            #expect(places > 0, "the weights were not found in rank \(rank)'s memory")
            if places == 0 { process.terminate() }
        }
    }

    @Test(
        "a weight of one rank that becomes NaN stops all before the update, and the rank is named",
        .enabled(if: MemoryOfOthers.isWritable, "this process may not write to another's memory"), arguments: [0, 1])
    func notANumber(rank: Int) throws {
        let result = try run(spoiling: rank, ranks: 2, []) { [.nan] + $0.dropFirst() }
        #expect(result.exitCode == 1 && result.messages.count == 1, "\(result.errors)")
        // It may come between forward and backward.
        let line = result.messages.first ?? ""
        #expect(
            line.contains("(rank \(rank): reconstruction loss is not a number)")
                || line.contains("the gradient is not finite at step") && line.contains("(that of rank \(rank))"),
            "\(line)")
        #expect(line.contains("stopped before the update"), "\(line)")
    }

    @Test(
        "a weight of one rank that changes by itself is noticed, and the rank is named",
        .enabled(if: MemoryOfOthers.isWritable, "this process may not write to another's memory"), arguments: [0, 2])
    func drift(rank: Int) throws {
        let result = try run(spoiling: rank, ranks: 3, ["--replica-check-every", "20"]) {
            [$0[0].nextUp] + $0.dropFirst()
        }
        #expect(result.exitCode == 1 && result.messages.count == 1, "\(result.errors)")
        let others = (0..<3).filter { $0 != rank }.map(String.init).joined(separator: ", ")
        for mention in ["parameters of rank \(rank) differ from those of rank \(others) at step", "--resume auto"] {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
    }

    @Test("a gradient that is not finite, with losses that are, stops all before the update", arguments: [1, 2])
    func gradient(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        // λ times the regulariser's gradient is beyond fp32.
        let result = try Program.run(
            SmallRun.arguments(folder.file("run")) + ["--lamb", "3e38"], ranks: ranks)
        #expect(result.exitCode == 1 && result.messages.count == 1, "\(result.errors)")
        let place = ranks > 1 ? " (that of rank " : " while"
        for mention in ["the gradient is not finite at step 1\(place)", "--lr"] {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
        #expect(!fileExists(folder.file("run/log.txt")))
    }

    @Test("images that are all one grey give no NaN")
    func constantImages() throws {
        let folder = try TemporaryDirectory()
        try IDXFiles.write(to: folder.file("images"), seed: nil)
        let result = try Program.run(
            SmallRun.arguments(folder.file("run")) + ["--data-path", folder.file("images"), "--in-chans", "1"], ranks: 2
        )
        #expect(result.exitCode == 0 && result.messages.isEmpty, "\(result.errors)")
        #expect(try SmallRun.weights(folder.file("run"), step: 8).allSatisfy(\.isFinite))
    }

    @Test(
        "images that are overwritten, cut or removed while a run trains on them change nothing, and the next run notices",
        arguments: ["overwritten", "cut", "removed"])
    func imagesChangedMidRun(_ kind: String) throws {
        let folder = try TemporaryDirectory()
        try IDXFiles.write(to: folder.file("images"), seed: 1)
        func arguments(_ name: String) -> [String] {
            SmallRun.arguments(folder.file(name), epochs: 20) + [
                "--data-path", folder.file("images"), "--in-chans", "1",
            ]
        }
        let whole = try Program.run(arguments("whole"), ranks: 2)
        #expect(whole.exitCode == 0, "\(whole.errors)")
        let images = folder.file("images/train-images-idx3-ubyte")
        let gate = LogGate(in: folder)
        let result = try Program.run(arguments("run"), ranks: 2, environment: gate.environment) { _ in
            try wait { fileExists(folder.file("run/log.txt")) }
            let handle = try #require(FileHandle(forWritingAtPath: images))
            switch kind {
            case "overwritten":
                try handle.seek(toOffset: 16)
                try handle.write(contentsOf: Data(repeating: 255, count: 10_000))
            case "cut": try handle.truncate(atOffset: 100)
            default: try FileManager.default.removeItem(atPath: images)
            }
            try gate.open()
        }
        #expect(result.exitCode == 0 && result.messages.isEmpty, "\(result.errors)")
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: 160, keyBiases: true) }
        #expect(try weights("run") == weights("whole"))
        // Whoever starts now is told.
        let later = try Program.run(arguments("later"), ranks: 2)
        #expect(kind == "overwritten" || later.messages.first?.contains("images-idx3-ubyte") == true, "\(later.errors)")
        if kind == "overwritten" {
            let resumed = try Program.run(arguments("run") + ["--epochs", "21", "--resume", "auto"], ranks: 2)
            #expect(resumed.messages.first?.contains("other images") == true, "\(resumed.errors)")
        }
    }
}

/// 64 grey images of 16 × 16 with labels, in MNIST's format.
private enum IDXFiles {
    /// - Parameter seed: nil for images without any variation.
    static func write(to directory: String, seed: Int?) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let pixels = (0..<64 * 256).map { index in
            seed.map { UInt8(truncatingIfNeeded: ((index &+ $0 &* 977) &* 2_654_435_761) >> 13) } ?? 128
        }
        try (Data([0, 0, 8, 3, 0, 0, 0, 64, 0, 0, 0, 16, 0, 0, 0, 16]) + pixels)
            .write(to: URL(fileURLWithPath: "\(directory)/train-images-idx3-ubyte"))
        try (Data([0, 0, 8, 1, 0, 0, 0, 64]) + (0..<64).map { UInt8($0 % 10) })
            .write(to: URL(fileURLWithPath: "\(directory)/train-labels-idx1-ubyte"))
    }
}

private enum MemoryOfOthers {
    /// Tried on a process of our own.
    static let isWritable: Bool = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["10"]
        guard (try? process.run()) != nil else { return false }
        defer { process.terminate() }
        let file = unsafe open("/proc/\(process.processIdentifier)/mem", O_RDWR)
        guard file >= 0 else { return false }
        close(file)
        return true
    }()
}
