internal import Checkpoints
internal import Layers
import Glibc
internal import Models
internal import Optimization
internal import Tensors

/// Writes checkpoints on a thread of its own while training goes on.
///
/// Weights and moments change only in an update. So the thread copies them while the next step runs forward and backward
/// (`waitUntilCopied` before its update), and then writes the copy. One save at a time.
@safe
final class BackgroundSaver: @unchecked Sendable {
    private let output: RunDirectory
    private let live: [NamedTensor]
    private let copies: [NamedTensor]
    /// Of this rank; nothing to copy from where each rank has its part, and all are brought together before the save.
    private let liveMoments: [Matrix]
    /// [1, n] each.
    let momentCopies: [Matrix]
    private let namedMoments: [NamedTensor]
    private var thread: pthread_t?
    private var state: RunState
    /// Guarded by the mutex; what the thread has come to.
    private var isCopied = true
    private var result: Result<CheckpointStore.SaveResult, any Error>?
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// - Parameter state: any; each save brings its own.
    init(output: RunDirectory, model: MaskedAutoencoder, optimizer: AdamW, state: RunState, plan: MemoryPlan) {
        self.output = output
        self.state = state
        live = model.namedTensors
        let count = model.parameters.values.count
        liveMoments = [optimizer.firstMoment, optimizer.secondMoment].filter { $0.count == count }
        func copy(_ tensor: NamedTensor) -> NamedTensor {
            let values = tensor.values
            return NamedTensor(
                tensor.name, shape: tensor.shape,
                plan.matrix(.saving, "\(tensor.name), copy", rows: values.rows, columns: values.columns))
        }
        copies = live.map(copy)
        momentCopies = ["first moment, copy", "second moment, copy"].map {
            plan.matrix(.saving, $0, rows: 1, columns: count)
        }
        namedMoments = AdamW.namedTensors(momentCopies, of: model.parameters)
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(changed, nil)
    }

    deinit {
        join()
        unsafe pthread_cond_destroy(changed)
        unsafe pthread_mutex_destroy(mutex)
        unsafe changed.deallocate()
        unsafe mutex.deallocate()
    }

    /// Starts a save; the one before must have been taken by `finish`.
    func begin(_ state: RunState) throws {
        precondition(thread == nil && result == nil, "the save before has not been taken")
        self.state = state
        isCopied = false
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
            isCopied = true
            throw RunDirectoryError(
                description: "the system refused a thread to save on: \(unsafe String(cString: strerror(code)))")
        }
        self.thread = thread
    }

    /// Before weights change.
    func waitUntilCopied() {
        unsafe pthread_mutex_lock(mutex)
        while !isCopied { unsafe pthread_cond_wait(changed, mutex) }
        unsafe pthread_mutex_unlock(mutex)
    }

    /// Whether a checkpoint is complete and waits for `finish`.
    var hasSucceeded: Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        if case .success? = result { return true }
        return false
    }

    /// Waits for the save under way, if there is one, and says what became of it.
    func finish() throws -> CheckpointStore.SaveResult? {
        join()
        defer { result = nil }
        return try result?.get()
    }

    private func join() {
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    private func save() {
        for (target, source) in zip(copies, live) { target.values.copy(from: source.values) }
        for (target, source) in zip(momentCopies, liveMoments) { target.copy(from: source) }
        unsafe pthread_mutex_lock(mutex)
        isCopied = true
        unsafe pthread_cond_broadcast(changed)
        unsafe pthread_mutex_unlock(mutex)
        let outcome = Result { try output.save(weights: copies, moments: namedMoments, state) }
        unsafe pthread_mutex_lock(mutex)
        result = outcome
        unsafe pthread_mutex_unlock(mutex)
    }
}
