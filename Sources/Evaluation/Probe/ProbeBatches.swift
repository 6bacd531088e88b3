internal import Features
internal import Communication
internal import ImageData
internal import Models
internal import Tensors

/// A rank's part of a batch, as heads are given it.
struct ProbeBatch {
    /// Of each feature [n, D].
    let rows: [ImageFeature: Matrix]
    let labels: [Int32]
}

/// The batches that heads are trained by.
protocol ProbeBatches: AnyObject {
    /// Images of a batch, on all ranks.
    var count: Int { get }
    var stepsPerEpoch: Int { get }
    /// Batches are asked for in order; the first may be that of any epoch.
    func batch(epoch: Int, step: Int) throws -> ProbeBatch
}

/// Features that were taken before: each rank has those that it has of every batch, which may be none.
///
/// Nothing travels, and the batches are the same whatever the number of ranks is.
final class FeatureBatches: ProbeBatches {
    let count: Int
    let stepsPerEpoch: Int
    private let features: FeatureSet
    private let wanted: [ImageFeature]
    private let own: Range<Int>
    private var order: EpochOrder

    /// - Parameter features: with labels; images left at the end of an epoch wait for another.
    init(_ features: FeatureSet, _ wanted: [ImageFeature], count: Int, seed: UInt64) {
        precondition(count <= features.count && features.labels != nil)
        self.features = features
        self.wanted = wanted
        self.count = count
        stepsPerEpoch = features.count / count
        own = FeatureSet.range(of: features.rank, in: features.counts)
        order = EpochOrder(count: features.count, seed: seed)
    }

    func batch(epoch: Int, step: Int) -> ProbeBatch {
        order.move(to: epoch)
        let places = (step * count..<(step + 1) * count).lazy.map { self.order[$0] }
        let chosen = Array(places.filter(own.contains).map { $0 - self.own.lowerBound })
        return ProbeBatch(
            rows: Dictionary(uniqueKeysWithValues: wanted.map { ($0, features[$0].gathering(chosen)) }),
            labels: chosen.map { features.labels?[$0] ?? 0 })
    }
}

/// Images that an encoder sees anew in every epoch, as augmentation makes them.
final class EncodedBatches: ProbeBatches {
    let count: Int
    let stepsPerEpoch: Int
    private let loader: BatchLoader
    private let encoder: FrozenEncoder
    private let world: any Communicator

    /// - Parameter loader: of images with labels, in micro-batches of as many as the encoder's.
    init(_ loader: BatchLoader, _ encoder: FrozenEncoder, in world: any Communicator) {
        precondition(loader.division.microBatch == encoder.images)
        self.loader = loader
        self.encoder = encoder
        self.world = world
        count = loader.division.plan.total
        stepsPerEpoch = loader.division.stepsPerEpoch
    }

    deinit { loader.stop() }

    func batch(epoch: Int, step: Int) throws -> ProbeBatch {
        let plan = loader.division.plan
        let own = plan.rankTotals[world.rank]
        let rows = encoder.features.map { _ in Matrix(rows: own, columns: encoder.configuration.embedDim) }
        var labels: [Int32] = []
        for micro in 0..<plan.accumulation {
            let batch = try loader.next()
            precondition(batch.epoch == epoch && batch.step == step && batch.micro == micro)
            let places = plan.rows(of: micro, rank: world.rank)
            encoder.encode(batch.images, batch.samples, into: rows.map { $0.rows(places) }, fill: { _ in })
            if let own = batch.labels { labels += (0..<own.rows).map { own[$0, 0] } }
            world.noteProgress()
        }
        return ProbeBatch(rows: Dictionary(uniqueKeysWithValues: zip(encoder.features, rows)), labels: labels)
    }
}
