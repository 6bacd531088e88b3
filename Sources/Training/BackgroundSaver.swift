internal import Checkpoints
internal import Host
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
    /// What became of a save.
    enum Outcome {
        case saved(CheckpointStore.SaveResult)
        case failed(step: Int, any Error)
    }

    private let live: [Matrix]
    private let snapshot: AdamW.Snapshot
    private let weights: [NamedTensor]
    private let namedMoments: [NamedTensor]
    private let isPatient: Bool
    private var output: RunDirectory?
    private var state: RunState
    private var isRequested = false
    private var thread: BackgroundThread?
    /// Guarded by the lock; what the thread has come to.
    private var outcome: Outcome?
    private let lock = ConditionLock()

    /// A thirtieth of a core that somebody else wants: no step is longer by more, and the next save seldom has to wait.
    private static var niceness: Int32 { 15 }

    /// - Parameters:
    ///   - state: any; each save brings its own.
    ///   - isPatient: whether to let whoever computes go first; where ranks outnumber cores, that would take
    ///     too long.
    init(model: MaskedAutoencoder, optimizer: AdamW, state: RunState, isPatient: Bool, plan: MemoryPlan) {
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
    }

    deinit { join() }

    /// Says where to save, and has the system provide the snapshot's memory, which the first save would otherwise wait for.
    func begin(in output: RunDirectory) {
        self.output = output
        for part in [snapshot.values, snapshot.firstMoment, snapshot.secondMoment] { part.clear() }
    }

    /// Of the snapshot: where those of all ranks are to come together if each has a share of them.
    var moments: [Matrix] { [snapshot.firstMoment, snapshot.secondMoment] }

    /// Asks for a save of what is now; what became of the one before must have been taken.
    func request(_ state: RunState) {
        precondition(thread == nil && outcome == nil && !isRequested, "the save before has not been taken")
        self.state = state
        isRequested = true
    }

    /// Where the next update is to leave what it changes, if a save was requested.
    var wanted: AdamW.Snapshot? { isRequested ? snapshot : nil }

    /// Starts writing the snapshot, which an update has just filled.
    func write() {
        isRequested = false
        do throws(ThreadRefusal) {
            thread = try BackgroundThread("the thread that saves") { self.saveBehind() }
        } catch {
            // Training waits, and nothing is lost.
            save()
        }
    }

    /// What became of the last save, once, as soon as it is over; nil before. Does not wait.
    func poll() -> Outcome? {
        lock.lock()
        let isOver = outcome != nil
        lock.unlock()
        return isOver ? take() : nil
    }

    /// Waits for the save under way, if there is one, and says what became of it. One that was requested, and that no update
    /// has left a snapshot for yet, is written now.
    func finish() -> Outcome? {
        if isRequested {
            isRequested = false
            for (source, target) in zip(live, [snapshot.values, snapshot.firstMoment, snapshot.secondMoment]) {
                target.copy(from: source)
            }
            save()
        }
        return take()
    }

    private func take() -> Outcome? {
        join()
        defer { outcome = nil }
        return outcome
    }

    private func join() {
        thread?.join()
        thread = nil
    }

    private func saveBehind() {
        // Of this thread alone; 0 means the caller.
        if isPatient { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness) }
        save()
    }

    private func save() {
        guard let output else { preconditionFailure("a save needs a place") }
        let result: Outcome
        do {
            result = .saved(try output.save(weights: weights, moments: namedMoments, state))
        } catch {
            result = .failed(step: state.step, error)
        }
        lock.lock()
        outcome = result
        lock.unlock()
    }
}
