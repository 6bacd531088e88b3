package import Safetensors
package import Checkpoints
import Glibc
internal import Host
package import Tensors

/// Writes checkpoints on a thread of its own while the run goes on.
///
/// What a run learns changes only in an update, which passes over all of it anyway: the first after a save was requested
/// leaves in a copy what was there before it, and the thread writes that. It has a low priority, since where every core
/// computes it takes its time from a rank. One save at a time.
@safe
package final class BackgroundSaver<State: RunProgress>: @unchecked Sendable {
    /// What became of a save.
    package enum Outcome {
        case saved(CheckpointStore.SaveResult)
        case failed(step: Int, any Error)
    }

    /// Values that updates change, and where they are copied for a save.
    package struct Copy {
        let copy: Matrix
        /// Nil where whoever requests a save has others fill the copy, such as ranks that each have a share.
        let live: Matrix?

        package init(_ copy: Matrix, of live: Matrix?) {
            self.copy = copy
            self.live = live
        }
    }

    private let copies: [Copy]
    private let weights: [NamedTensor]
    private let optimizer: [NamedTensor]
    private let isPatient: Bool
    private var output: RunDirectory?
    private var state: State
    /// Whether the next update is to leave what it changes in the copies.
    package private(set) var isRequested = false
    private var thread: BackgroundThread?
    /// Guarded by the lock; what the thread has come to.
    private var outcome: Outcome?
    private let lock = ConditionLock()

    /// A thirtieth of a core that somebody else wants: no step is longer by more, and the next save seldom has to wait.
    private static var niceness: Int32 { 15 }

    /// - Parameters:
    ///   - weights, optimizer: the tensors of a checkpoint, which lie in the copies.
    ///   - state: any; each save brings its own.
    ///   - isPatient: whether to let whoever computes go first; where ranks outnumber cores, that would take
    ///     too long.
    package init(
        _ copies: [Copy], weights: [NamedTensor], optimizer: [NamedTensor], state: State, isPatient: Bool
    ) {
        self.copies = copies
        self.weights = weights
        self.optimizer = optimizer
        self.state = state
        self.isPatient = isPatient
    }

    deinit { join() }

    /// Says where to save, and has the system provide the copies' memory, which the first save would otherwise wait for.
    func begin(in output: RunDirectory) {
        self.output = output
        for each in copies { each.copy.clear() }
    }

    /// Asks for a save of what is now; what became of the one before must have been taken.
    func request(_ state: State) {
        precondition(thread == nil && outcome == nil && !isRequested, "the save before has not been taken")
        self.state = state
        isRequested = true
    }

    /// Starts writing the copies, which an update has just filled.
    package func write() {
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
    /// has left copies for yet, is written now.
    func finish() -> Outcome? {
        if isRequested {
            isRequested = false
            for each in copies {
                if let live = each.live { each.copy.copy(from: live) }
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
        // On Linux this is the niceness of the calling thread alone.
        if isPatient { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness) }
        save()
    }

    private func save() {
        guard let output else { preconditionFailure("a save needs a place") }
        let result: Outcome
        do {
            result = .saved(try output.save(weights: weights, optimizer: optimizer, state))
        } catch {
            result = .failed(step: state.step, error)
        }
        lock.lock()
        outcome = result
        lock.unlock()
    }
}
