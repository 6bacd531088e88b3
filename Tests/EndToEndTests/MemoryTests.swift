import Foundation
import TestSupport
import Testing

/// Shells set the limits here that a login node or a batch system would.
@Suite("A run that does not fit says so in one line before it asks for memory, and leaves nothing behind", .serialized)
struct MemoryTests {
    /// Hundreds of gigabytes where 3 may be mapped: what is only counted must not be.
    private static let large = [
        "--model", "mae_vit_huge_patch14", "--data-path", "synthetic", "--synthetic-images", "20000", "--batch-size",
        "4096", "--threads", "1",
    ]

    private func limited(_ limit: String, _ arguments: [String], ranks: Int?) throws -> Program.Result {
        let command = ["bash", "-c", "ulimit \(limit); exec \"$@\"", "bash", Program.path] + arguments
        return try ranks.map { try Program.run(commands: Array(repeating: command, count: $0)) }
            ?? Program.launch(command)
    }

    @Test("under a limit of address space, alone and under mpirun", arguments: [nil, 2])
    func addressSpace(ranks: Int?) throws {
        let folder = try TemporaryDirectory()
        let result = try limited(
            "-v 3000000", Self.large + ["--output-dir", folder.file("run")], ranks: ranks)
        #expect(result.exitCode == 1)
        #expect(result.messages.count == 1, "\(result.errors)")
        for word in [
            "of memory in \(ranks == nil ? "1 rank" : "rank 0") (activations", "saving", "ulimit -v leaves",
            "of 2.9 GiB",
            "lower --batch-size and raise --accum-iter, or use --recompute-activations",
        ] {
            #expect(result.messages.first?.contains(word) == true, "\(result.messages) lacks '\(word)'")
        }
        #expect(!result.errors.contains("Fatal error"))
        #expect(!fileExists(folder.file("run/config.yaml")))
    }

    @Test(
        "also where nothing but the plan was asked for, and where steps are measured or looked at",
        arguments: [
            large + ["--output-dir", "", "--dry-run"],
            ["bench", "--model", "mae_vit_huge_patch14", "--batch-size", "4096", "--threads", "1"],
            ["debug", "--model", "mae_vit_huge_patch14", "--batch-size", "4096", "--threads", "1"],
        ])
    func otherCommands(arguments: [String]) throws {
        let result = try limited("-v 3000000", arguments, ranks: nil)
        #expect(result.exitCode == 1)
        #expect(result.messages.count == 1 && result.messages[0].contains("memory"), "\(result.errors)")
    }

    @Test(
        "sizes that no machine has, or that cannot be counted, are refused as well",
        arguments: [
            ["--input-size", "65536"], ["--embed-dim", "65536", "--num-heads", "1024", "--depth", "1024"],
            [
                "--decoder-embed-dim", "65536", "--decoder-num-heads", "64", "--decoder-depth", "64", "--mlp-ratio",
                "64",
            ],
            ["--input-size", "65536", "--patch-size", "2", "--embed-dim", "65536", "--num-heads", "1024"],
        ])
    func enormous(sizes: [String]) throws {
        let result = try Program.run(sizes + ["--threads", "1", "--output-dir", "", "--dry-run"])
        #expect(result.exitCode == 1)
        #expect(result.messages.count == 1 && result.messages[0].contains("memory"), "\(result.errors)")
    }

    @Test("weights that are too many for a host ask for another division, not for a smaller batch")
    func weights() throws {
        let result = try limited(
            "-v 3000000",
            [
                "--model", "mae_vit_large_patch16", "--data-path", "synthetic", "--synthetic-images", "64",
                "--batch-size", "1", "--threads", "1", "--output-dir", "",
            ], ranks: 2)
        #expect(result.messages.count == 1 && result.messages[0].contains("--shard-optimizer"), "\(result.errors)")
        #expect(result.messages.first?.contains("--batch-size") == false)
    }

    @Test("memory that is refused all the same ends all ranks with one line", arguments: [nil, 0, 1])
    func refused(rank: Int?) throws {
        let folder = try TemporaryDirectory()
        // Larger than the buffers of libraries, smaller than these weights.
        let refusing = try ["env", "LD_PRELOAD=\(Program.library("FaultInjector"))", "FAULT_MEMORY_REFUSED=100"]
        let program =
            [
                Program.path, "--model", "mae_vit_small_patch16", "--data-path", "synthetic", "--synthetic-images", "8",
                "--effective-batch-size", "8", "--threads", "1",
            ] + ["--output-dir", folder.file("run")]
        let result =
            try rank.map { refused in
                try Program.run(commands: (0..<2).map { $0 == refused ? refusing + program : program })
            } ?? Program.launch(refusing + program)
        #expect(result.exitCode == 1)
        let place = rank.map { "rank \($0): " } ?? ""
        #expect(result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.hasPrefix("umae-dist: \(place)the system refused ") == true, "\(result.errors)")
        #expect(!result.errors.contains("Fatal error") && !result.errors.contains("rashed"), "\(result.errors)")
    }

    @Test("a file beyond the limit of file sizes is an error that names the limit")
    func fileSize() throws {
        let folder = try TemporaryDirectory()
        let result = try limited("-f 20", SmallRun.arguments(folder.file("run"), images: 16), ranks: nil)
        #expect(result.exitCode == 1)
        #expect(result.messages.count == 1 && result.messages[0].contains("ulimit -f"), "\(result.errors)")
    }

    /// The most memory that a process has had so far, in bytes.
    private func peak(_ process: pid_t) -> Int? {
        let line = (try? systemFile("/proc/\(process)/status"))?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
    }

    @Test("threads that prepare batches have one order of the images between them")
    func oneOrder() throws {
        // The order takes 16 MB.
        let images = 4_000_000
        let peaks = try [1, 8].map { workers in
            var highest = 0
            let result = try Program.run(
                [
                    "data", "--data-path", "synthetic", "--synthetic-images", "\(images)", "--num-workers",
                    "\(workers)",
                    "--batch-size", "64", "--seconds", "0.1", "--model", "mae_vit_micro_patch4",
                ]
            ) { process in
                while process.isRunning {
                    highest = max(highest, peak(process.processIdentifier) ?? 0)
                    usleep(2_000)
                }
            }
            #expect(result.exitCode == 0, "\(result.errors)")
            return highest
        }
        #expect(peaks[1] - peaks[0] < 3 * 4 * images, "\(peaks)")
        #expect(peaks[0] > 4 * images)
    }
}
