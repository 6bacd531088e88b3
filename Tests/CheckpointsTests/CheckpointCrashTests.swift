import Checkpoints
import Host
import Glibc
import TestSupport
import Testing

@Suite("A kill at any point of a commit leaves the old checkpoint or the new one, whole", .serialized)
struct CheckpointCrashTests {
    /// Checks what a killed save of generation 2 has left, and that the run goes on from there.
    private func verifyRecovery(_ directory: TemporaryDirectory, expected: Double) throws {
        let store = try CheckpointStore(runDirectory: directory.path, keep: 1)
        var damaged: [String] = []
        let latest = try #require(try store.latestValid { damaged.append($0) })
        #expect(try Generation.number(of: latest) == expected)
        #expect(damaged.isEmpty)
        let opened = try CheckpointStore.open(directory.path) { damaged.append($0) }
        #expect(opened == latest)

        let result = try Generation(number: 3).save(in: store, step: 30)
        #expect(result.removalFailure == nil)
        #expect(try directory.names == ["checkpoint-00000030"])
        #expect(try Generation.number(of: result.checkpoint) == 3)
    }

    @Test("a save of a later step", arguments: CommitStep.allCases.filter { $0 != .previousSetAside })
    func laterStep(_ point: CommitStep) async throws {
        let directory = try TemporaryDirectory()
        try Generation(number: 1).save(in: try CheckpointStore(runDirectory: directory.path, keep: 1), step: 10)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = directory.path as String, point = point.rawValue as String] in
            let store = try CheckpointStore(runDirectory: path, keep: 1)
            try Generation(number: 2).save(in: store, step: 20) { if $0.rawValue == point { killOwnProcess() } }
        }
        let isCommitted = [.renamed, .committed, .expiredRenamed, .expiredRemoved].contains(point)
        try verifyRecovery(directory, expected: isCommitted ? 2 : 1)
    }

    @Test("a save of the same step", arguments: CommitStep.allCases)
    func sameStep(_ point: CommitStep) async throws {
        let directory = try TemporaryDirectory()
        try Generation(number: 1).save(in: try CheckpointStore(runDirectory: directory.path, keep: 1), step: 10)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = directory.path as String, point = point.rawValue as String] in
            let store = try CheckpointStore(runDirectory: path, keep: 1)
            try Generation(number: 2).save(in: store, step: 10) { if $0.rawValue == point { killOwnProcess() } }
        }
        let isCommitted = [.renamed, .committed, .expiredRenamed, .expiredRemoved].contains(point)
        try verifyRecovery(directory, expected: isCommitted ? 2 : 1)
    }

    @Test("a save that is killed twice, the second time while it puts things in order")
    func twice() async throws {
        let directory = try TemporaryDirectory()
        try Generation(number: 1).save(in: try CheckpointStore(runDirectory: directory.path, keep: 1), step: 10)
        for point in [CommitStep.previousSetAside, .leftoversRemoved, .previousSetAside, .manifestWritten] {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = directory.path as String, point = point.rawValue as String] in
                let store = try CheckpointStore(runDirectory: path, keep: 1)
                try Generation(number: 2).save(in: store, step: 10) { if $0.rawValue == point { killOwnProcess() } }
            }
        }
        try verifyRecovery(directory, expected: 1)
    }

    @Test("a kill in the middle of a file")
    func middleOfFile() async throws {
        let directory = try TemporaryDirectory()
        try Generation(number: 1).save(in: try CheckpointStore(runDirectory: directory.path, keep: 1), step: 10)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.path as String] in
            let store = try CheckpointStore(runDirectory: path, keep: 1)
            try Generation(number: 2).save(in: store, step: 20) { if $0 == .weightsWritten { killOwnProcess() } }
        }
        #expect(cut("\(directory.path)/checkpoint-00000020.partial/model.safetensors", to: 5_000))
        try verifyRecovery(directory, expected: 1)
    }

    @Test("a kill in the middle of a removal")
    func middleOfRemoval() throws {
        let directory = try TemporaryDirectory()
        let store = try CheckpointStore(runDirectory: directory.path, keep: 2)
        try Generation(number: 1).save(in: store, step: 10)
        try Generation(number: 2).save(in: store, step: 20)
        // The newer one, so that taking it for whole would be noticed.
        let whole = "\(directory.path)/checkpoint-00000020"
        #expect(removeFile("\(whole)/optimizer.safetensors") && renameFile(whole, "\(whole).removing"))
        try verifyRecovery(directory, expected: 1)
    }
}
