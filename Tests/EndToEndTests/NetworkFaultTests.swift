import Foundation
import TestSupport
import Testing

/// Two hosts that are network namespaces of this machine, made and removed by scripts/two-hosts.
private enum TwoHosts {
    static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("scripts/two-hosts").path

    /// Whether this process may make them: as root, with iproute2, outside most containers.
    static let arePossible: Bool = {
        let trial = try? Program.launch(
            ["sh", "-c", "ip netns add umae-trial-$$ && ip netns delete umae-trial-$$ && command -v tc"])
        return trial?.exitCode == 0
    }()

    static func setLink(_ host: String, _ state: String) throws {
        let done = try Program.launch(["ip", "-n", host, "link", "set", "eth0", state])
        try #require(done.exitCode == 0, "\(done.errors)")
    }
}

@Suite(
    "A link between hosts that fails", .serialized,
    .enabled(if: TwoHosts.arePossible, "network namespaces need root and iproute2"))
struct NetworkFaultTests {
    private let name = "umae\(getpid())"

    /// Waits until the run has saved a checkpoint, does something to its link or its ranks, and when it has ended expects
    /// nothing to be left but what it saved, whole.
    private func run(
        _ folder: TemporaryDirectory, options: [String], _ more: [String] = [], _ harm: ([pid_t]) throws -> Void
    ) throws -> Program.Result {
        // Seldom at the end of an epoch or a save, where ranks of another host wait for longer.
        let arguments =
            SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400_000) + [
                "--checkpoint-every", "500steps",
            ]
        var ranks: [pid_t] = []
        let result = try Program.launch(
            ["bash", TwoHosts.script, "--name", name] + options.flatMap { ["--mpirun", $0] } + ["--", Program.path]
                + arguments + more
        ) { _ in
            try wait { fileExists(folder.file("run/checkpoint-00000500")) }
            ranks = try Ranks(count: 2, of: folder.file("run")).processes
            try harm(ranks)
        }
        for rank in ranks { #expect(Ranks.isGone(rank), "process \(rank) is still there") }
        let names = try Program.launch(["ip", "netns", "list"]).output
        #expect(!names.contains(name), "\(names)")
        let resumed = try Program.run(arguments + ["--resume", "auto", "--dry-run"])
        #expect(resumed.exitCode == 0 && !resumed.output.contains("skipping"), "\(resumed.errors)\(resumed.output)")
        return result
    }

    @Test(
        "a link that is cut: both sides say who waits for whom and end, and mpirun with them", arguments: ["a", "b"])
    func cut(side: String) throws {
        let folder = try TemporaryDirectory()
        var cutAt = Date()
        let result = try run(
            folder, options: ["--output-filename", folder.file("streams")], ["--stall-timeout", "3"]
        ) { ranks in
            try TwoHosts.setLink("\(name)-\(side)", "down")
            cutAt = Date()
            // The launcher may take longer; what computes may not. Who waits for a save is given ten times as long.
            for rank in ranks { #expect(Ranks.isGone(rank, within: 120), "process \(rank) is still there") }
        }
        let seconds = Date().timeIntervalSince(cutAt)
        #expect(result.exitCode != 0)
        #expect(seconds < 300, "mpirun was gone after \(seconds) s; by itself it takes a quarter of an hour")
        for (own, other) in [(0, 1), (1, 0)] {
            let hosts = ["\(name)-a", "\(name)-b"]
            let errors = try String(contentsOfFile: folder.file("streams/1/rank.\(own)/stderr"), encoding: .utf8)
            let line = errors.split(separator: "\n").first { $0.hasPrefix("umae-dist: ") } ?? ""
            // 3 s, or 30 s where the cut came during a save.
            #expect(line.contains("no progress for 3"), "\(errors)")
            #expect(line.contains(" s: \(hosts[own]) waits for \(hosts[other]) (rank \(other))"), "\(errors)")
            #expect(line.contains("look at these hosts and at the network"), "\(errors)")
            #expect(errors.contains("last collectives of rank \(own), newest first: #"), "\(errors)")
        }
    }

    @Test("a link that is cut is noticed by mpirun itself, with the settings of scripts/open-mpi-environment shortened")
    func keepalive() throws {
        let folder = try TemporaryDirectory()
        let keepalive = ["time", "2", "intvl", "1", "probes", "3"]
        let options = stride(from: 0, to: 6, by: 2).flatMap {
            ["--mca", "oob_tcp_keepalive_\(keepalive[$0])", keepalive[$0 + 1]]
        }
        let result = try run(folder, options: options) { _ in try TwoHosts.setLink("\(name)-b", "down") }
        #expect(result.exitCode != 0 && result.errors.contains("lost communication with a remote daemon"))
    }

    /// The newest checkpoint's step, at least 0.
    private func newestStep(_ folder: TemporaryDirectory) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: folder.file("run"))
            .compactMap { Int($0.replacing("checkpoint-", with: "")) }.max() ?? 0
    }

    @Test("a link that is down for a moment: the run goes on")
    func interruption() throws {
        let folder = try TemporaryDirectory()
        // What was sent meanwhile is sent again later and later, on a busy machine much later.
        let result = try run(folder, options: [], ["--stall-timeout", "600"]) { ranks in
            try TwoHosts.setLink("\(name)-b", "down")
            usleep(1_000_000)
            try TwoHosts.setLink("\(name)-b", "up")
            usleep(500_000)
            let before = try newestStep(folder)
            try wait { ((try? newestStep(folder)) ?? 0) > before }
            for rank in ranks { kill(rank, SIGUSR1) }
        }
        #expect(result.exitCode == 85, "\(result.errors)")
    }
}
