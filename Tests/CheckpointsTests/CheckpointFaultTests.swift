import Checkpoints
import Host
import Foundation
import Glibc
import Tensors
import TestSupport
import Testing

@Suite("A save that the system refuses is one line, and leaves the earlier checkpoints whole")
struct CheckpointFaultTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("the run directory was removed between saves")
    func removedDirectory() throws {
        let path = "\(directory.path)/deep/run"
        let store = try CheckpointStore(runDirectory: path, keep: 2)
        try Generation(number: 1).save(in: store, step: 1)
        try FileManager.default.removeItem(atPath: path)
        let error = thrownError(FileError.self) { try Generation(number: 2).save(in: store, step: 2) }
        #expect(
            error?.description
                == "\(path)/checkpoint-00000002.partial: mkdir failed: No such file or directory; "
                + "was it removed or moved?")
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("the run directory was removed in the middle of a save")
    func removedDuringSave() throws {
        let store = try CheckpointStore(runDirectory: "\(directory.path)/run", keep: 2)
        let path = store.runDirectory
        let error = thrownError(FileError.self) {
            try Generation(number: 1).save(in: store, step: 1) {
                if $0 == .weightsWritten { try? FileManager.default.removeItem(atPath: path) }
            }
        }
        #expect(error?.reason == .system(call: "open", code: ENOENT))
        #expect(error?.path == "\(path)/checkpoint-00000001.partial/optimizer.safetensors")
    }

    @Test("a place where nothing can be created")
    func unwritable() throws {
        let file = try directory.write("file", [])
        let below = thrownError(FileError.self) {
            try CheckpointStore(runDirectory: "\(file)/run", keep: 1)
        }
        #expect(below?.reason == .system(call: "mkdir", code: EEXIST) && below?.path == file)
        // /proc refuses even the superuser.
        let virtual = thrownError(FileError.self) {
            try CheckpointStore(runDirectory: "/proc/umae-dist-run", keep: 1)
        }
        #expect(virtual?.path == "/proc/umae-dist-run")
        #expect(virtual?.description.contains("mkdir failed: ") == true)
    }

    @Test("a directory without permission to write", .enabled(if: geteuid() != 0, "the superuser may write anywhere"))
    func readOnly() throws {
        let store = try CheckpointStore(runDirectory: directory.path, keep: 1)
        try Generation(number: 1).save(in: store, step: 1)
        let manager = FileManager.default
        try manager.setAttributes([.posixPermissions: 0o555], ofItemAtPath: directory.path)
        let error = thrownError(FileError.self) { try Generation(number: 2).save(in: store, step: 2) }
        try manager.setAttributes([.posixPermissions: 0o755], ofItemAtPath: directory.path)
        #expect(error?.reason == .system(call: "mkdir", code: EACCES))
        #expect(try store.list().map(\.step) == [1])
    }

    @Test("a disk that fills up: the space is given back and a smaller save works again")
    func fullDisk() async throws {
        let path = directory.path
        try Generation(number: 1).save(in: try CheckpointStore(runDirectory: path, keep: 1), step: 1)
        await #expect(processExitsWith: .success) { [path = path as String] in
            let store = try CheckpointStore(runDirectory: path, keep: 1)
            try #require(limitFileSize(bytes: 5_000))
            let error = thrownError(FileError.self) { try Generation(number: 2).save(in: store, step: 2) }
            #expect(
                error?.description
                    == "\(path)/checkpoint-00000002.partial/model.safetensors: write failed: File too large; "
                    + "raise the limit on file size (ulimit -f)")
            let replacing = thrownError(FileError.self) { try Generation(number: 2).save(in: store, step: 1) }
            #expect(replacing?.reason == .system(call: "write", code: EFBIG))
            #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["checkpoint-00000001"])
            let latest = try #require(try store.latestValid { _ in Issue.record("nothing is damaged") })
            #expect(try Generation.number(of: latest) == 1)
            try store.save(step: 3, weights: [], optimizer: [], state: Generation(number: 3))
            #expect(try store.list().map(\.step) == [3])
        }
    }

    @Test("what somebody has put into a leftover stays, whole, is reported, and the save succeeds")
    func stubbornLeftover() throws {
        let store = try CheckpointStore(runDirectory: directory.path, keep: 1)
        let leftover = "\(directory.path)/checkpoint-00000001.partial"
        try FileManager.default.createDirectory(atPath: "\(leftover)/notes", withIntermediateDirectories: true)
        try Data("half".utf8).write(to: URL(fileURLWithPath: "\(leftover)/model.safetensors"))
        let result = try Generation(number: 2).save(in: store, step: 2)
        #expect((result.removalFailure as? CheckpointError)?.path == leftover)
        #expect(result.removalFailure.map { "\($0)" }?.contains("it also holds notes") == true)
        #expect(FileManager.default.fileExists(atPath: "\(leftover)/model.safetensors"))
        #expect(try Generation.number(of: result.checkpoint) == 2)
    }

    @Test("a checkpoint that is no longer kept and holds a person's directory stays, whole")
    func foreignContent() throws {
        let store = try CheckpointStore(runDirectory: directory.path, keep: 1)
        let first = try Generation(number: 1).save(in: store, step: 1).checkpoint
        try FileManager.default.createDirectory(atPath: "\(first.path)/eval", withIntermediateDirectories: true)
        let result = try Generation(number: 2).save(in: store, step: 2)
        #expect((result.removalFailure as? CheckpointError)?.path == first.path)
        try first.validate()
        #expect(FileManager.default.fileExists(atPath: "\(first.path)/eval"))
    }

    /// Number 7, of step 1.
    private func checkpointOfAnotherRun() throws -> Checkpoint {
        let others = try CheckpointStore(runDirectory: "\(directory.path)/others", keep: 1, run: "others")
        return try Generation(number: 7).save(in: others, step: 1).checkpoint
    }

    @Test("a link to another run's checkpoint is neither followed nor removed")
    func link() throws {
        let theirs = try checkpointOfAnotherRun()
        let store = try CheckpointStore(runDirectory: "\(directory.path)/own", keep: 1, run: "own")
        let link = "\(store.runDirectory)/checkpoint-00000001"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: theirs.path)
        for step in 2...4 { try Generation(number: Double(step)).save(in: store, step: step) }
        try theirs.validate()
        #expect(try store.list().map(\.step) == [4, 1])
        // Saved at the same step as the link's: the link gives way, under another name.
        let same = try Generation(number: 9).save(in: store, step: 1).checkpoint
        #expect(try Generation.number(of: same) == 9 && Generation.number(of: theirs) == 7)
        #expect(FileManager.default.fileExists(atPath: "\(link).abandoned/manifest.json"))
    }

    @Test("a copy of another run's checkpoint is neither counted nor removed")
    func copy() throws {
        let theirs = try checkpointOfAnotherRun()
        let store = try CheckpointStore(runDirectory: "\(directory.path)/own", keep: 2, run: "own")
        try FileManager.default.copyItem(atPath: theirs.path, toPath: "\(store.runDirectory)/checkpoint-00000001")
        for step in 2...4 { try Generation(number: Double(step)).save(in: store, step: step) }
        #expect(try store.list().map(\.step) == [4, 3, 1])
    }

    @Test("going back gives later checkpoints other names, each time others")
    func settingAside() throws {
        let store = try CheckpointStore(runDirectory: directory.path, keep: 9)
        for round in 1...2 {
            for step in 1...3 { try Generation(number: Double(10 * round + step)).save(in: store, step: step) }
            #expect(try store.setAside(after: 1).count == 2)
            #expect(try store.list().map(\.step) == [1])
        }
        for (suffix, number) in [("", 12.0), ("-2", 22.0)] {
            let path = "\(directory.path)/checkpoint-00000002.abandoned\(suffix)"
            #expect(try Generation.number(of: CheckpointStore.open(path) { _ in }) == number)
        }
    }
}

@Suite("Run state comes back bit for bit")
struct RunStateTests {
    struct State: Codable, Equatable {
        var sums: [Double]
        var last: [Float]
        var seed: UInt64
        var names: [String: Int]
    }

    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func roundTrip(_ state: State) throws -> State {
        let store = try CheckpointStore(runDirectory: directory.path, keep: 1)
        return try store.save(step: 1, weights: [], optimizer: [], state: state).checkpoint
            .state(completedFrom: Self.defaults, requiring: ["seed"])
    }

    private static let defaults = State(sums: [0.5], last: [], seed: 7, names: ["usual": 3])

    @Test("finite numbers of every size")
    func finiteNumbers() throws {
        var random = SampleRandom(seed: 1, epoch: 0, sample: 0, purpose: .masking)
        let patterns = (0..<2_000).map { _ in UInt64(random.bits()) << 32 | UInt64(random.bits()) }
        let special = [0, -0.0, 0.1 + 0.2, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1e22, 0x1p53 + 2]
        let sums = special + patterns.map { Double(bitPattern: $0) }.filter(\.isFinite)
        let last = patterns.map { Float(bitPattern: UInt32(truncatingIfNeeded: $0)) }.filter(\.isFinite)
        let state = State(sums: sums, last: last, seed: .max, names: ["a/\"\n": .min])
        let restored = try roundTrip(state)
        #expect(restored.sums.map(\.bitPattern) == sums.map(\.bitPattern))
        #expect(restored.last.map(\.bitPattern) == last.map(\.bitPattern))
        #expect(restored.seed == .max && restored.names == state.names)
    }

    @Test("infinities and NaN")
    func nonFiniteNumbers() throws {
        let restored = try roundTrip(
            State(sums: [.infinity, -.infinity, .nan], last: [.nan, -.infinity], seed: 0, names: [:]))
        #expect(restored.sums[0] == .infinity && restored.sums[1] == -.infinity && restored.sums[2].isNaN)
        #expect(restored.last[0].isNaN && restored.last[1] == -.infinity)
    }

    @Test("state of another kind is refused with the field")
    func otherState() throws {
        let store = try CheckpointStore(runDirectory: directory.path, keep: 1)
        let saved = try store.save(step: 1, weights: [], optimizer: [], state: ["sums": [1.5]]).checkpoint
        let error = thrownError(CheckpointError.self) {
            try saved.state(completedFrom: Self.defaults, requiring: ["seed"])
        }
        #expect(error?.description.hasPrefix("\(saved.path)/state.json: cannot be decoded: lacks 'seed'") == true)
    }

    @Test("keys that a version did not know are what they were without; keys of a later version are passed over")
    func otherVersions() throws {
        let store = try CheckpointStore(runDirectory: directory.path, keep: 1)
        struct Later: Encodable {
            let seed = 5
            let names = ["own": 1]
            let invented = [["x": 1]]
        }
        let saved = try store.save(step: 1, weights: [], optimizer: [], state: Later()).checkpoint
        let state = try saved.state(completedFrom: Self.defaults, requiring: ["seed"])
        #expect(state == State(sums: [0.5], last: [], seed: 5, names: ["own": 1, "usual": 3]))
    }

    @Test("state that cannot be encoded costs nothing")
    func unencodable() throws {
        struct Unencodable: Encodable {
            func encode(to encoder: any Encoder) throws {
                throw EncodingError.invalidValue(1, .init(codingPath: [], debugDescription: "never\nencodable"))
            }
        }
        let store = try CheckpointStore(runDirectory: directory.path, keep: 1)
        let error = thrownError(CheckpointError.self) {
            try store.save(step: 1, weights: [], optimizer: [], state: Unencodable())
        }
        #expect(error?.reason == .stateNotEncodable("never\nencodable"))
        #expect(error?.description.contains("never?encodable") == true)
        #expect(try directory.names.isEmpty)
    }
}
