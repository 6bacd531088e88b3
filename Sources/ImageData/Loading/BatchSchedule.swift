/// Which micro-batch each batch of a loader is, counted from its first, across epochs without end.
struct BatchSchedule: Sendable {
    struct Position: Equatable {
        let epoch: Int
        /// The step within the epoch.
        let step: Int
        /// The micro-batch within the step.
        let micro: Int
    }

    private let stepsPerEpoch: Int
    private let accumulation: Int
    /// Batches of one step: all its micro-batches, as often as they are given.
    private let batchesPerStep: Int
    /// Steps of all epochs before the first batch.
    private let stepsBefore: Int

    /// - Parameters:
    ///   - repeats: how often the micro-batches of a step are given, all of them each time.
    ///   - epoch, step: of the first batch. A checkpoint at the end of an epoch may name its last step + 1.
    init(_ division: EpochDivision, repeats: Int, epoch: Int, step: Int) {
        precondition(epoch >= 0 && step >= 0 && step <= division.stepsPerEpoch && repeats > 0)
        stepsPerEpoch = division.stepsPerEpoch
        accumulation = division.plan.accumulation
        batchesPerStep = accumulation * repeats
        stepsBefore = epoch * division.stepsPerEpoch + step
    }

    subscript(number: Int) -> Position {
        let steps = stepsBefore + number / batchesPerStep
        return Position(epoch: steps / stepsPerEpoch, step: steps % stepsPerEpoch, micro: number % accumulation)
    }
}
