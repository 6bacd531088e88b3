import Foundation
import TestSupport
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

    /// Also where a file is open for writing, as a file system does that has found errors.
    func makeReadOnly() throws {
        let flags = UInt(MS_REMOUNT | MS_BIND | MS_RDONLY)
        try #require(unsafe mount(path, path, nil, UInt(MS_BIND), nil) == 0)
        try #require(unsafe mount("none", path, nil, flags, nil) == 0)
    }

    /// Whether this process may mount at all: as root, outside most containers.
    static let isPossible: Bool = {
        guard let folder = try? TemporaryDirectory() else { return false }
        return (try? SmallDisk(folder.file("disk"), size: "1m")) != nil
    }()
}

@Suite("A place to save that fails mid-run costs no run", .serialized)
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

    /// Waits until the run has said something about its directory.
    private func waitForNote(_ output: String, _ text: String) throws {
        try wait { (try? String(contentsOfFile: output, encoding: .utf8))?.contains(text) == true }
    }

    @Test(
        "a disk that fills up is said at once and the run goes on; with room again it saves, and what was saved is whole",
        .enabled(if: SmallDisk.isPossible, "this process may not mount"),
        arguments: [1, 2])
    func full(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let disk = try SmallDisk(folder.file("disk"), size: "4m")
        let run = "\(disk.path)/run"
        let result = try Program.run(arguments(run), ranks: ranks, output: folder.file("said")) { process in
            try wait { fileExists("\(run)/checkpoint-00000050/manifest.json") }
            let filler = "\(disk.path)/filler"
            try fill(filler)
            try waitForNote(folder.file("said"), "could not be written: \(run)/checkpoint-")
            try FileManager.default.removeItem(atPath: filler)
            // What it could not write it writes now, without being told.
            let before = try checkpoints(run)
            try wait { ((try? checkpoints(run)) ?? []).contains { !before.contains($0) } }
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(result.exitCode == 85, "\(result.errors)")
        #expect(result.output.contains("No space left on device; free space there"), "\(result.output)")
        // The log has no hole, no half line, and no epoch twice.
        try expectWholeLog(run)
        let resumed = try Program.run(arguments(run, ["--resume", "auto", "--dry-run"]), ranks: ranks)
        #expect(resumed.exitCode == 0 && !resumed.output.contains("skipping"), "\(resumed.errors)\(resumed.output)")
    }

    @Test(
        "a disk that is full when the last checkpoint is due fails the run, in one line",
        .enabled(if: SmallDisk.isPossible, "this process may not mount"), arguments: [1, 2])
    func fullAtTheEnd(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let disk = try SmallDisk(folder.file("disk"), size: "4m")
        let run = "\(disk.path)/run"
        let result = try Program.run(arguments(run), ranks: ranks, output: folder.file("said")) { process in
            try wait { fileExists("\(run)/checkpoint-00000050/manifest.json") }
            try fill("\(disk.path)/filler")
            try waitForNote(folder.file("said"), "could not be written: \(run)/checkpoint-")
            kill(process.processIdentifier, SIGUSR1)
        }
        expectOneLine(result, ranks > 1 ? "rank 0: " : "umae-dist: ", run, "No space left on device; free space there")
        let resumed = try Program.run(arguments(run, ["--resume", "auto", "--dry-run"]), ranks: ranks)
        #expect(resumed.exitCode == 0 && !resumed.output.contains("skipping"), "\(resumed.errors)\(resumed.output)")
    }

    private func fill(_ path: String) throws {
        let file = unsafe open(path, O_WRONLY | O_CREAT, 0o600)
        defer { close(file) }
        let zeros = [UInt8](repeating: 0, count: 1 << 12)
        while unsafe zeros.withUnsafeBytes({ unsafe write(file, $0.baseAddress, $0.count) }) > 0 {}
        try #require(errno == ENOSPC)
    }

    private func checkpoints(_ run: String) throws -> Set<String> {
        Set(
            try FileManager.default.contentsOfDirectory(atPath: run)
                .filter { $0.hasPrefix("checkpoint-") && !$0.contains(".") })
    }

    private func expectWholeLog(_ run: String) throws {
        let epochs = try RunDirectoryTests.epochs(ofLog: "\(run)/log.txt")
        #expect(epochs == Array(0..<epochs.count), "\(epochs)")
        #expect(try String(contentsOfFile: "\(run)/log.txt", encoding: .utf8).hasSuffix("}\n"))
    }

    @Test(
        "a disk that becomes read-only: said, and the run goes on until it has to be saved",
        .enabled(if: SmallDisk.isPossible, "this process may not mount"))
    func readOnly() throws {
        let folder = try TemporaryDirectory()
        let disk = try SmallDisk(folder.file("disk"), size: "400m")
        let run = "\(disk.path)/run"
        // Saved seldom: a disk can be made read-only while no file on it is open but the lock.
        let result = try Program.run(arguments(run), ranks: 2, output: folder.file("said")) { process in
            try wait { fileExists("\(run)/checkpoint-00000050/manifest.json") }
            try disk.makeReadOnly()
            try waitForNote(folder.file("said"), "could not be written: \(run)/checkpoint-")
            kill(process.processIdentifier, SIGUSR1)
        }
        expectOneLine(result, run, "Read-only file system; choose a directory that can be written")
    }

    @Test("a run directory that is removed: said, and nothing is made anew in its place", arguments: [1, 2])
    func removed(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        let result = try Program.run(arguments(run), ranks: ranks, output: folder.file("said")) { process in
            try wait { fileExists("\(run)/log.txt") }
            // Moved first: a directory that is written to is hard to empty.
            try FileManager.default.moveItem(atPath: run, toPath: folder.file("gone"))
            try? FileManager.default.removeItem(atPath: folder.file("gone"))
            try waitForNote(folder.file("said"), "could not be written: \(run)/checkpoint-")
            kill(process.processIdentifier, SIGUSR1)
        }
        expectOneLine(result, run, "No such file or directory; was it removed or moved?")
        #expect(!fileExists(run), "nothing is made anew in its place")
    }
}
