internal import Checkpoints
internal import Layers
import Glibc
internal import Models
internal import Optimization
internal import Tensors

/// Writes checkpoints on a thread of its own while training goes on.
///
/// Weights and moments change only in an update, which passes over all of them anyway: the first after a save was
/// requested leaves what they were in a snapshot, and the thread writes that. It has a low priority, since where every core
/// computes it takes its time from a rank. One save at a time.
@safe
final class BackgroundSaver: @unchecked Sendable {
    private let output: RunDirectory
    private let live: [Matrix]
    private let snapshot: AdamW.Snapshot
    private let weights: [NamedTensor]
    private let namedMoments: [NamedTensor]
    private var thread: pthread_t?
    private var state: RunState
    private var isRequested = false
    private let isPatient: Bool
    /// Guarded by the mutex; what the thread has come to.
    private var result: Result<CheckpointStore.SaveResult, any Error>?
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    /// A thirtieth of a core that somebody else wants: no step is longer by more, and the next save seldom has to wait.
    private static var niceness: Int32 { 15 }

    /// - Parameters:
    ///   - state: any; each save brings its own.
    ///   - isPatient: whether to let whoever computes go first; where ranks outnumber cores, that would take
    ///     too long.
    init(
        output: RunDirectory, model: MaskedAutoencoder, optimizer: AdamW, state: RunState, isPatient: Bool,
        plan: MemoryPlan
    ) {
        self.output = output
        self.isPatient = isPatient
        self.state = state
        let parameters = model.parameters
        let snapshot = AdamW.Snapshot(count: parameters.values.count, plan: plan)
        self.snapshot = snapshot
        // Moments of a rank's share alone are collected by whoever requests the save.
        live =
            [parameters.values]
            + [optimizer.firstMoment, optimizer.secondMoment].filter { $0.count == snapshot.firstMoment.count }
        weights = model.namedTensors(snapshot.values)
        namedMoments = AdamW.namedTensors([snapshot.firstMoment, snapshot.secondMoment], of: parameters)
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        join()
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Has the system provide the snapshot's memory, which the first save would otherwise wait for.
    func prepare() {
        for part in [snapshot.values, snapshot.firstMoment, snapshot.secondMoment] { part.clear() }
    }

    /// Asks for a save of what is now; the one before must have been taken by `finish`.
    func request(_ state: RunState) {
        precondition(thread == nil && result == nil && !isRequested, "the save before has not been taken")
        self.state = state
        isRequested = true
    }

    /// Where the next update is to leave what it changes, if a save was requested.
    var wanted: AdamW.Snapshot? { isRequested ? snapshot : nil }

    /// Of the snapshot: where those of all ranks are to come together if each has a share of them.
    var moments: [Matrix] { [snapshot.firstMoment, snapshot.secondMoment] }

    /// For whoever does not wait for an update.
    func copyAndWrite() throws {
        for (source, target) in zip(live, [snapshot.values, snapshot.firstMoment, snapshot.secondMoment]) {
            target.copy(from: source)
        }
        try write()
    }

    /// Starts writing the snapshot.
    func write() throws {
        isRequested = false
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(self)
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<BackgroundSaver>.fromOpaque(argument).takeRetainedValue().save()
                return nil
            }, argument.toOpaque())
        guard code == 0 else {
            unsafe argument.release()
            throw RunDirectoryError(
                description: "the system refused a thread to save on: \(unsafe String(cString: strerror(code)))")
        }
        self.thread = thread
    }

    /// Whether a checkpoint is complete and waits for `finish`.
    var hasSucceeded: Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        if case .success? = result { return true }
        return false
    }

    /// Waits for the save under way, if there is one, and says what became of it. One that no update has yet come by to
    /// copy for is written now.
    func finish() throws -> CheckpointStore.SaveResult? {
        if isRequested { try copyAndWrite() }
        join()
        defer { result = nil }
        return try result?.get()
    }

    private func join() {
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    private func save() {
        // Of this thread alone; 0 means the caller.
        if isPatient { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness) }
        let outcome = Result { try output.save(weights: weights, moments: namedMoments, state) }
        unsafe pthread_mutex_lock(mutex)
        result = outcome
        unsafe pthread_mutex_unlock(mutex)
    }
}
