import Foundation
import Testing

/// A file system of its own, small enough to fill; unmounted with the last reference.
private final class SmallDisk {
    let path: String

    /// - Parameter size: as mount(8) writes it.
    init(_ path: String, size: String) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try #require(unsafe mount("none", path, "tmpfs", 0, "size=\(size)") == 0)
    }

    deinit { unsafe umount2(path, Int32(MNT_DETACH)) }

    /// False as long as a file is open for writing.
    func makeReadOnly() -> Bool { unsafe mount("none", path, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0 }

    /// Whether this process may mount at all: as root, outside most containers.
    static let isPossible: Bool = {
        guard let folder = try? TemporaryDirectory() else { return false }
        return (try? SmallDisk(folder.file("disk"), size: "1m")) != nil
    }()
}

@Suite("A place to save that fails mid-run is one line that says what to do", .serialized)
struct DiskFaultTests {
    private func arguments(_ output: String, _ more: [String] = []) -> [String] {
        SmallRun.arguments(output, epochs: 100_000, images: 400)
            + ["--checkpoint-every", "1", "--keep-checkpoints", "1000"] + more
    }

    /// One line of rank 0, for all.
    private func expectOneLine(_ result: Program.Result, _ mentions: String...) {
        #expect(result.exitCode == 1)
        #expect(result.messages.count == 1, "\(result.errors)")
        for mention in mentions {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
    }

    @Test(
        "a disk that fills up; what was saved is whole",
        .enabled(if: SmallDisk.isPossible, "this process may not mount"),
        arguments: [1, 2])
    func full(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let disk = try SmallDisk(folder.file("disk"), size: "4m")
        let run = "\(disk.path)/run"
        let result = try Program.run(arguments(run), ranks: ranks, timeout: 60)
        expectOneLine(result, ranks > 1 ? "rank 0: " : "umae-dist: ", run, "No space left on device; free space there")
        // The log has no half line, and the newest checkpoint is one to go on from.
        let log = try String(contentsOfFile: "\(run)/log.txt", encoding: .utf8)
        #expect(log.hasSuffix("}\n"))
        let resumed = try Program.run(arguments(run, ["--resume", "auto", "--dry-run"]), ranks: ranks)
        #expect(resumed.exitCode == 0 && !resumed.output.contains("skipping"), "\(resumed.errors)\(resumed.output)")
    }

    @Test(
        "a disk that becomes read-only", .enabled(if: SmallDisk.isPossible, "this process may not mount"))
    func readOnly() throws {
        let folder = try TemporaryDirectory()
        let disk = try SmallDisk(folder.file("disk"), size: "400m")
        let run = "\(disk.path)/run"
        let result = try Program.run(arguments(run), ranks: 2, timeout: 60) { _ in
            try wait { fileExists("\(run)/log.txt") }
            try wait { disk.makeReadOnly() }
        }
        expectOneLine(result, run, "Read-only file system; choose a directory that can be written")
        let resumed = try Program.run(arguments(run, ["--resume", "auto", "--dry-run"]), ranks: 2)
        #expect(resumed.exitCode == 0 || resumed.errors.contains("no checkpoint"), "\(resumed.errors)")
    }

    @Test("a run directory that is removed", arguments: [1, 2])
    func removed(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        let result = try Program.run(arguments(run), ranks: ranks, timeout: 60) { _ in
            try wait { fileExists("\(run)/log.txt") }
            // Moved first: a directory that is written to is hard to empty.
            try FileManager.default.moveItem(atPath: run, toPath: folder.file("gone"))
            try? FileManager.default.removeItem(atPath: folder.file("gone"))
        }
        expectOneLine(result, run, "No such file or directory; was it removed or moved?")
        #expect(!fileExists(run), "nothing is made anew in its place")
    }
}
