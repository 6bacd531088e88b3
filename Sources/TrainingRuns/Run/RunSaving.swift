internal import Communication
internal import DataParallel
import Foundation
internal import Layers
internal import Models
internal import Optimization
internal import Runs
internal import Tensors
internal import Training

/// How a run's checkpoints come about: what is copied for them when, and who waits for whom. Every rank has one; rank 0
/// alone writes.
final class RunSaving<State: RunProgress> {
    private let communicator: any Communicator
    /// Only where checkpoints are written: on rank 0.
    private let saver: BackgroundSaver<State>?
    private let snapshot: OptimizerSnapshot?
    /// Where ranks share the update, and checkpoints are written: brings their moments together on rank 0.
    private let momentGather: MomentGather?
    private(set) var keeper: RunKeeper<State>?
    /// The average of the weights, and its copy; only where there is one, and checkpoints are written.
    private let average: (live: Matrix, copy: Matrix)?

    /// - Parameters:
    ///   - average: of the weights, if one is kept.
    ///   - saves: whether checkpoints are to be written, by rank 0.
    ///   - state: any; each save brings its own.
    init<O: Objective>(
        of step: TrainStep<O>, _ average: WeightAverage?, saves: Bool, state: State, on resources: RankResources
    ) {
        let communicator = resources.communicator
        let parameters = step.pass.objective.parameters
        let optimizer = step.update.optimizer
        let snapshot =
            saves && communicator.rank == 0 ? optimizer.snapshot(of: parameters, in: resources.memory) : nil
        let isPatient = communicator.localSize * resources.team.count <= ProcessInfo.processInfo.processorCount
        self.communicator = communicator
        self.snapshot = snapshot
        let averages = snapshot == nil ? nil : average.map { ($0.values, $0.copy(in: resources.memory)) }
        self.average = averages
        saver = snapshot.map { snapshot in
            // Moments of a rank's share alone are gathered by whoever requests the save.
            let moments = zip(snapshot.moments, optimizer.moments).map { copy, live in
                BackgroundSaver<State>.Copy(copy, of: live.count == copy.count ? live : nil)
            }
            let values = BackgroundSaver<State>.Copy(snapshot.values, of: parameters.values)
            let mean = averages.map { live, copy in BackgroundSaver<State>.Copy(copy, of: live) }
            return BackgroundSaver(
                [values] + moments + [mean].compactMap { $0 }, weights: parameters.namedTensors(snapshot.values),
                optimizer: type(of: optimizer).namedTensors(snapshot.moments, of: parameters)
                    + (averages.flatMap { average?.namedTensors($0.1) } ?? []), state: state, isPatient: isPatient)
        }
        momentGather =
            saves && step.update.isShared
            ? MomentGather(
                communicator, step.pass.reducer.layout, shares: optimizer.moments, wholes: snapshot?.moments)
            : nil
        step.pass.messages.add(momentGather.map { [$0] } ?? [])
    }

    /// Says where to save, and how often.
    ///
    /// - Parameter step: steps made so far.
    func begin(
        in output: RunDirectory?, every interval: CheckpointInterval, step: Int, say: @escaping (String) -> Void
    ) {
        guard let saver, let output else { return }
        keeper = RunKeeper(output: output, saver: saver, interval: interval, step: step, say: say)
    }

    /// Whether this rank wants a checkpoint after `step` updates.
    func isDue(step: Int) -> Bool { keeper?.isDue(step: step) ?? false }

    /// Where the next update is to leave what was there before it; nil where nothing is to be saved.
    var wanted: OptimizerSnapshot? { saver?.isRequested == true ? snapshot : nil }

    /// Writes what an update has left, and the average, which has not followed it yet; here and now where the system refuses
    /// a thread.
    func write() {
        if let average { average.copy.copy(from: average.live) }
        communicator.during(.saving) { saver?.write() }
    }

    /// Says what became of a save. Does not wait.
    func look() { communicator.during(.saving) { keeper?.look() } }

    /// Starts a checkpoint on rank 0, or writes it at once. Collective.
    ///
    /// - Parameters:
    ///   - isDue: rank 0 decides; what the others say does not count.
    ///   - atOnce: the same on all ranks: all wait until it is written, and throw if it cannot be.
    func save(_ state: State, isDue: Bool, atOnce: Bool = false) throws {
        // Moments may still be under way if the updates since were left out.
        try momentGather?.finish()
        // The save before may still be reading what moments are collected into.
        try communicator.agree(during: .saving) { if isDue { keeper?.wait() } }
        if let momentGather {
            var due = [isDue && keeper != nil ? 1.0 : 0]
            try communicator.allReduce(&due, .sum)
            if due[0] > 0 {
                try momentGather.start()
                if atOnce { try momentGather.finish() }
            }
        }
        if isDue { keeper?.request(state) }
        if atOnce { try communicator.agree(during: .saving) { try keeper?.finish() } }
    }

    /// Ends a save that was due before all ranks leave. Collective.
    func finish() throws {
        try momentGather?.finish()
        try communicator.agree(during: .saving) { keeper?.wait() }
    }
}
