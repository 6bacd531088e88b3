package import Features
package import Communication
package import ImageData
internal import Models
package import Optimization
package import Tensors

/// The linear probe of facebookresearch/mae (`main_linprobe.py`): heads on frozen features, trained by LARS.
package final class ProbeTraining {
    package struct Configuration: Sendable {
        /// Images of an update, on all ranks.
        package var batch = 16_384
        package var epochs = 90
        package var warmupEpochs = 10.0
        /// One head for each.
        package var baseRates = [0.1]
        package var statistics = BatchStatistics.global
        package var optimizer = LARS.Configuration()
        package var seed: UInt64 = 0

        package init() {}
    }

    /// What was learnt in an epoch.
    package struct Epoch: Sendable {
        package let number: Int
        /// Of the last update, of a base rate of 1.
        package let rate: Double
        /// Means over the epoch's updates, by head.
        package let losses: [Double]
    }

    package let heads: LinearHeads
    /// Epochs done.
    package internal(set) var epoch = 0
    private let configuration: Configuration
    private let batches: any ProbeBatches
    private let schedule: LearningRateSchedule

    private init(_ configuration: Configuration, _ heads: LinearHeads, _ batches: any ProbeBatches) {
        self.configuration = configuration
        self.heads = heads
        self.batches = batches
        schedule = LearningRateSchedule(
            peak: LearningRateSchedule.scaled(base: 1, effectiveBatch: batches.count), minimum: 0,
            warmupEpochs: configuration.warmupEpochs, epochs: Double(configuration.epochs))
    }

    /// On features that were taken before, with labels.
    package convenience init(
        _ configuration: Configuration, on features: FeatureSet, _ wanted: [ImageFeature], classes: Int,
        in world: any Communicator, _ team: Team, plan: MemoryPlan
    ) {
        self.init(
            configuration,
            Self.heads(configuration, wanted, width: features[wanted[0]].columns, classes, in: world, team, plan),
            FeatureBatches(features, wanted, count: configuration.batch, seed: configuration.seed))
    }

    /// On images that the encoder sees anew in every epoch.
    ///
    /// - Parameters:
    ///   - loader: of as many images in an update as the configuration says, at the beginning of an epoch.
    ///   - encoder: sees as many images at a time as the loader's micro-batches have.
    package convenience init(
        _ configuration: Configuration, on loader: BatchLoader, _ encoder: FrozenEncoder, classes: Int,
        in world: any Communicator, _ team: Team, plan: MemoryPlan
    ) {
        self.init(
            configuration,
            Self.heads(
                configuration, encoder.features, width: encoder.configuration.embedDim, classes, in: world, team, plan),
            EncodedBatches(loader, encoder, in: world))
    }

    private static func heads(
        _ c: Configuration, _ wanted: [ImageFeature], width: Int, _ classes: Int, in world: any Communicator,
        _ team: Team, _ plan: MemoryPlan
    ) -> LinearHeads {
        LinearHeads(
            of: wanted, width: width, classes: classes, baseRates: c.baseRates, c.statistics, c.optimizer, seed: c.seed,
            in: world, team, plan: plan)
    }

    /// Trains to the last epoch. Collective.
    ///
    /// - Parameter ended: told of each epoch, on every rank.
    package func run(ended: (Epoch) throws -> Void) throws {
        let steps = batches.stepsPerEpoch
        while epoch < configuration.epochs {
            var losses = [Double](repeating: 0, count: heads.features.count * heads.baseRates.count)
            var rate = 0.0
            for step in 0..<steps {
                rate = schedule.rate(atEpoch: Double(epoch) + Double(step) / Double(steps))
                let batch = try batches.batch(epoch: epoch, step: step)
                let found = try heads.step(
                    batch.rows, labels: batch.labels, count: batches.count, rate: rate, number: epoch * steps + step + 1
                )
                for index in losses.indices { losses[index] += found[index] / Double(steps) }
            }
            epoch += 1
            try ended(Epoch(number: epoch, rate: rate, losses: losses))
        }
    }
}
