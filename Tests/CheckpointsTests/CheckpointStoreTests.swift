import Safetensors
import Checkpoints
import Host
import Foundation
import Glibc
import Tensors
import TestSupport
import Testing

@Suite("A run directory of checkpoints")
struct CheckpointStoreTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func store(keep: Int = 3) throws -> CheckpointStore {
        try CheckpointStore(runDirectory: directory.path, keep: keep)
    }

    private func latest(_ store: CheckpointStore) throws -> (number: Double?, damaged: [String]) {
        var damaged: [String] = []
        let checkpoint = try store.latestValid { damaged.append($0) }
        return (try checkpoint.flatMap { try Generation.number(of: $0) }, damaged)
    }

    /// Inverts one bit in the middle of a file.
    private func damage(_ path: String) throws {
        var bytes = try content(path)
        bytes[bytes.count / 2] ^= 0x10
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test("every point of a commit is observed, in order")
    func observation() throws {
        let store = try store(keep: 1)
        var points: [CommitStep] = []
        try Generation(number: 1).save(in: store, step: 5) { points.append($0) }
        let removals: [CommitStep] = [.previousSetAside, .expiredRenamed, .expiredRemoved]
        #expect(points == CommitStep.allCases.filter { !removals.contains($0) })
        points = []
        try Generation(number: 2).save(in: store, step: 5) {
            points.append($0)
            // Not one file is deleted under the name of a whole checkpoint.
            let isRenamed = try? directory.names.contains("checkpoint-00000005.removing")
            #expect(isRenamed == ($0 == .expiredRenamed))
        }
        #expect(points == CommitStep.allCases)
        #expect(try latest(store).number == 2)
    }

    @Test("the newest are kept, listed newest first, and each is valid")
    func keepsNewest() throws {
        let store = try store(keep: 3)
        for step in 1...5 { try Generation(number: Double(step)).save(in: store, step: step * 100) }
        #expect(try store.list().map(\.step) == [500, 400, 300])
        #expect(try directory.names == ["checkpoint-00000300", "checkpoint-00000400", "checkpoint-00000500"])
        for checkpoint in try store.list() { try store.validate(checkpoint.step) }
        let removed = thrownError(FileError.self) { try store.validate(100) }
        #expect(removed?.reason == .system(call: "open for reading", code: ENOENT))
    }

    @Test("permanent ones stay, and do not push out others")
    func keepsPermanent() throws {
        let store = try store(keep: 2)
        for step in 1...7 {
            let weights = [NamedTensor("w", shape: [1], Matrix(rows: 1, columns: 1, values: [Float(step)]))]
            try store.save(
                step: step, weights: weights, optimizer: [], isPermanent: step % 3 == 0, state: ["step": step])
        }
        #expect(try store.list().map(\.step) == [7, 6, 5, 3])
        #expect(try store.list().map(\.isPermanent) == [false, true, false, true])
        for checkpoint in try store.list() { try store.validate(checkpoint.step) }
    }

    @Test("the one just saved is kept even if others are of later steps")
    func keepsSaved() throws {
        let store = try store(keep: 2)
        for step in [200, 300, 150] { try Generation(number: Double(step)).save(in: store, step: step) }
        #expect(try store.list().map(\.step) == [300, 150])
    }

    @Test("a truncated checkpoint is not counted among those kept")
    func doesNotCountDamaged() throws {
        let store = try store(keep: 2)
        for step in [1, 2] { try Generation(number: Double(step)).save(in: store, step: step) }
        #expect(cut("\(directory.path)/checkpoint-00000002/model.safetensors", to: 100))
        try Generation(number: 3).save(in: store, step: 3)
        #expect(try store.list().map(\.step) == [3, 2, 1])
        try Generation(number: 4).save(in: store, step: 4)
        #expect(try store.list().map(\.step) == [4, 3])
    }

    @Test("what does not belong to the store is left alone")
    func foreignEntries() throws {
        let store = try store(keep: 1)
        let foreign = ["checkpoint-12", "checkpoint-00000001.old", "checkpoint-", "log.txt", "checkpoint-0x000001"]
        for name in foreign { try directory.write(name, [1]) }
        try Generation(number: 1).save(in: store, step: 1)
        try Generation(number: 2).save(in: store, step: 123_456_789)
        #expect(try directory.names == (foreign + ["checkpoint-123456789"]).sorted())
    }

    @Test(
        "a damaged newest checkpoint is skipped with one line, and the one before is chosen",
        arguments: ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"],
        ["flipped", "cut", "grown", "emptied", "removed", "directory"])
    func damaged(file: String, how: String) throws {
        let store = try store()
        try Generation(number: 1).save(in: store, step: 1)
        try Generation(number: 2).save(in: store, step: 2)
        let path = "\(directory.path)/checkpoint-00000002/\(file)"
        let bytes = try content(path)
        switch how {
        case "flipped": try damage(path)
        case "cut": #expect(cut(path, to: bytes.count - 3))
        case "grown" where file != "manifest.json": try Data(bytes + [0]).write(to: URL(fileURLWithPath: path))
        case "grown": try Data(bytes + Array("}".utf8)).write(to: URL(fileURLWithPath: path))
        case "emptied": #expect(cut(path, to: 0))
        default:
            #expect(removeFile(path))
            if how == "directory" {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            }
        }
        let (number, damaged) = try latest(store)
        #expect(number == 1)
        #expect(damaged.count == 1)
        let line = try #require(damaged.first)
        #expect(line.hasPrefix("skipping the checkpoint of step 2: \(directory.path)/checkpoint-00000002"))
        #expect(!line.contains { $0.isNewline })
        #expect(throws: (any Error).self) { try store.validate(2) }
        #expect(throws: (any Error).self) {
            try CheckpointStore.open("\(directory.path)/checkpoint-00000002") { _ in }
        }
    }

    @Test("a bit of a checkpoint's data is named as such")
    func damageMessage() throws {
        let store = try store()
        try Generation(number: 1).save(in: store, step: 1)
        let path = "\(directory.path)/checkpoint-00000001/optimizer.safetensors"
        try damage(path)
        let line = try #require(try latest(store).damaged.first)
        #expect(line.contains("\(path): is damaged: CRC-32 "))
        let error = thrownError(CheckpointError.self) { try CheckpointStore.open(directory.path) { _ in } }
        #expect(error?.reason == .noValidCheckpoint(damaged: 1))
    }

    @Test("a later format version is refused by its number, and no older checkpoint is taken in its place")
    func laterVersion() throws {
        let store = try store()
        try Generation(number: 0).save(in: store, step: 0)
        let saved = try Generation(number: 1).save(in: store, step: 1).checkpoint
        try Data("{\"version\": 2}".utf8).write(to: URL(fileURLWithPath: "\(saved.path)/manifest.json"))
        let error = thrownError(CheckpointError.self) { try saved.validate() }
        #expect(error?.reason == .unsupportedVersion(2))
        let whole = thrownError(CheckpointError.self) { try latest(store) }
        #expect(whole?.reason == .unsupportedVersion(2))
    }

    @Test("a path to resume from may be a checkpoint under any name, or a run directory")
    func open() throws {
        let store = try store()
        for step in [1, 2] { try Generation(number: Double(step)).save(in: store, step: step) }
        func number(_ path: String) throws -> Double? {
            try Generation.number(of: try CheckpointStore.open(path) { _ in Issue.record("nothing is damaged") })
        }
        #expect(try number(directory.path) == 2)
        #expect(try number("\(directory.path)/") == 2)
        #expect(try number("\(directory.path)/checkpoint-00000001/") == 1)
        #expect(renameFile("\(directory.path)/checkpoint-00000001", "\(directory.path)/best"))
        let best = try CheckpointStore.open("\(directory.path)/best") { _ in }
        #expect(best.step == 1)
        // Under the name of another step it would be taken for that in a run directory.
        #expect(renameFile("\(directory.path)/best", "\(directory.path)/checkpoint-00000007"))
        #expect(try latest(store).damaged.count == 1)
    }

    @Test("what is no checkpoint is refused with the reason")
    func openNothing() throws {
        func reason(_ path: String) -> CheckpointError.Reason? {
            thrownError(CheckpointError.self) { try CheckpointStore.open(path) { _ in } }?.reason
        }
        func fileReason(_ path: String) -> FileError.Reason? {
            thrownError(FileError.self) { try CheckpointStore.open(path) { _ in } }?.reason
        }
        #expect(reason(directory.path) == .noCheckpoint)
        #expect(fileReason("\(directory.path)/none") == .system(call: "opendir", code: ENOENT))
        #expect(fileReason(try directory.write("file", [])) == .system(call: "opendir", code: ENOTDIR))
        let empty = "\(directory.path)/checkpoint-00000003"
        try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: false)
        #expect(reason(empty) == .notACheckpoint)
    }
}
