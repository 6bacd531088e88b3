internal import Training
internal import Communication
internal import DataParallel
internal import ImageData
internal import Models
package import Planning
package import Regularizers
package import Tensors
package import Pretraining

/// A run as it would be on some numbers of nodes: how its batch is divided, how long a step takes, what a rank holds.
package struct ScalingPlan {
    /// Figures for one number of nodes; the keys of a row of `umae-dist plan --json`.
    package struct Row: Codable, Equatable, Sendable {
        package var nodes: Int
        package var ranks: Int
        /// Images of one rank in a micro-batch.
        package var batchSizePerRank: Int?
        package var accumIter: Int?
        package var effectiveBatchSize: Int?
        package var secondsPerStep: Double?
        package var imagesPerSecond: Double?
        /// What a step takes longer than computing alone.
        package var exposedCommunicationSeconds: Double?
        /// What messages would take if computing hid none of it.
        package var communicationSeconds: Double?
        /// Images per second and node over those of the first row.
        package var efficiency: Double?
        package var plannedMemoryBytes: Int?
        package var days: Double?
        /// Why this number of nodes cannot be had.
        package var obstacle: String?

        package init(nodes: Int, ranks: Int, obstacle: String?) {
            self.nodes = nodes
            self.ranks = ranks
            self.obstacle = obstacle
        }

        enum CodingKeys: String, CodingKey {
            case nodes, ranks, efficiency, days, obstacle
            case batchSizePerRank = "batch_size_per_rank"
            case accumIter = "accum_iter"
            case effectiveBatchSize = "effective_batch_size"
            case secondsPerStep = "seconds_per_step"
            case imagesPerSecond = "images_per_second"
            case exposedCommunicationSeconds = "exposed_communication_seconds"
            case communicationSeconds = "communication_seconds"
            case plannedMemoryBytes = "planned_memory_bytes"
        }
    }

    /// Whether the effective batch stays, or each rank's part of it.
    package enum Scaling: String, CaseIterable, Sendable {
        case strong, weak
    }

    /// How a number of nodes divides the batch, or why it cannot.
    package struct Division: Equatable, Sendable {
        package var nodes: Int
        package var ranks: Int
        package var effectiveBatch = 0
        package var images = 0
        package var accumulation = 0
        package var obstacle: String?
    }

    /// Of the run; its effective batch is that of strong scaling, its accumulation that of weak scaling.
    package let configuration: PretrainConfiguration
    package let scaling: Scaling
    /// The most images of a rank's micro-batch.
    package let mostImages: Int
    /// Its number of nodes is not looked at.
    package let cluster: Cluster
    package let nodes: [Int]
    /// Of the training set, if known.
    package let datasetImages: Int?
    /// What each rank holds of it in memory.
    package let heldBytes: Int
    /// What memory depends on besides.
    package let classes: Int?
    package let prefetch: Int
    package let recomputesActivations: Bool

    package init(
        configuration: PretrainConfiguration, scaling: Scaling, mostImages: Int, cluster: Cluster, nodes: [Int],
        datasetImages: Int?, heldBytes: Int = 0, classes: Int?, prefetch: Int, recomputesActivations: Bool
    ) {
        self.configuration = configuration
        self.scaling = scaling
        self.mostImages = mostImages
        self.cluster = cluster
        self.nodes = nodes
        self.datasetImages = datasetImages
        self.heldBytes = heldBytes
        self.classes = classes
        self.prefetch = prefetch
        self.recomputesActivations = recomputesActivations
    }

    /// One for each number of nodes, in their order.
    package var divisions: [Division] { nodes.map(division) }

    private func division(nodes: Int) -> Division {
        let ranks = nodes * cluster.ranksPerNode
        guard scaling == .strong else {
            return Division(
                nodes: nodes, ranks: ranks, effectiveBatch: mostImages * ranks * configuration.accumulation,
                images: mostImages, accumulation: configuration.accumulation)
        }
        let effective = configuration.effectiveBatchSize
        guard effective % ranks == 0 else {
            let fewer = (1..<nodes).last { effective % ($0 * cluster.ranksPerNode) == 0 }
            let advice = fewer.map { "use \($0) nodes, or " } ?? "use "
            return Division(
                nodes: nodes, ranks: ranks,
                obstacle: "\(effective) images cannot be divided among \(ranks) ranks: \(advice)another "
                    + "--effective-batch-size")
        }
        let own = effective / ranks
        let accumulation = (1...own).first { own % $0 == 0 && own / $0 <= mostImages } ?? own
        return Division(
            nodes: nodes, ranks: ranks, effectiveBatch: effective, images: own / accumulation,
            accumulation: accumulation)
    }

    /// The run on so many nodes.
    package func configuration(for division: Division) -> PretrainConfiguration {
        var c = configuration
        c.effectiveBatchSize = division.effectiveBatch
        c.accumulation = division.accumulation
        return c
    }

    /// What has to be measured: the smallest and the largest micro-batch, with one encoding and with two.
    package var samplesWanted: [(images: Int, encodesTwice: Bool)] {
        let possible = divisions.filter { $0.obstacle == nil }
        return [false, true].flatMap { twice in
            let sizes = possible.filter { configuration.loss.encodesTwice($0.accumulation) == twice }.map(\.images)
            return Set([sizes.min(), sizes.max()].compactMap { $0 }).sorted().map { ($0, twice) }
        }
    }

    /// How features travel among so many nodes.
    package func transport(for division: Division) -> FeatureTransport {
        configuration.loss.regularizer.resolvedTransport(
            images: exchangedImages(division), width: configuration.model.embedDim)
    }

    /// Images that one exchange spans.
    private func exchangedImages(_ division: Division) -> Int {
        let spans = configuration.loss.spansMicroBatches(division.accumulation)
        return spans ? division.effectiveBatch : division.effectiveBatch / division.accumulation
    }

    /// Every row, from what a rank needs for its own work.
    package func rows(_ compute: ComputeCost, team: Team) throws -> [Row] {
        let divisions = self.divisions
        let largest = divisions.reduce(1) { max($0, $1.effectiveBatch) }
        let size = ImageSize(height: configuration.model.imageHeight, width: configuration.model.imageWidth)
        let channels = configuration.model.channels
        let layout = StepLayout(
            source: try SyntheticImages(
                SyntheticImageParameters(count: largest, channels: channels, size: size), split: .train),
            statistics: .unknown(channels: channels),
            classes: classes, prefetch: prefetch, recomputesActivations: recomputesActivations, timeline: nil)
        var rows: [Row] = []
        for division in divisions {
            rows.append(try row(for: division, compute, layout, team, first: rows.first { $0.obstacle == nil }))
        }
        return rows
    }

    private func row(
        for division: Division, _ compute: ComputeCost, _ layout: StepLayout, _ team: Team, first: Row?
    ) throws -> Row {
        var row = Row(nodes: division.nodes, ranks: division.ranks, obstacle: division.obstacle)
        guard division.obstacle == nil else { return row }
        let (step, plan) = try layout.countedStep(
            configuration(for: division).step, saves: true, holding: heldBytes, communicator: world(for: division),
            team: team)
        var cluster = self.cluster
        cluster.nodes = division.nodes
        let loss = configuration.loss
        let prediction = stepModel(for: division, step.pass.objective.model).predict(
            StepModel.Division(
                images: division.images, accumulation: division.accumulation,
                spansMicroBatches: loss.spansMicroBatches(division.accumulation),
                encodesTwice: loss.encodesTwice(division.accumulation)),
            compute: compute, on: cluster)
        let speed = Double(division.effectiveBatch) / prediction.stepSeconds
        row.batchSizePerRank = division.images
        row.accumIter = division.accumulation
        row.effectiveBatchSize = division.effectiveBatch
        row.secondsPerStep = prediction.stepSeconds
        row.imagesPerSecond = speed
        row.exposedCommunicationSeconds = prediction.exposedSeconds
        row.communicationSeconds = prediction.communicationSeconds
        row.efficiency =
            first.flatMap { first in
                first.imagesPerSecond.map { (speed / Double(division.nodes)) / ($0 / Double(first.nodes)) }
            } ?? 1
        row.plannedMemoryBytes = plan.totalBytes
        if let datasetImages {
            let steps = (configuration.epochs - configuration.startEpoch) * (datasetImages / division.effectiveBatch)
            row.days = Double(steps) * prediction.stepSeconds / 86400
        }
        return row
    }

    private func world(for division: Division) -> PlannedWorld {
        PlannedWorld(size: division.ranks, localSize: cluster.ranksPerNode)
    }

    /// The step's shape: what is sent, and what hides it.
    private func stepModel(for division: Division, _ model: MaskedAutoencoder) -> StepModel {
        let c = configuration.model
        let flops = c.forwardFlops
        let blocks = (0..<c.decoderDepth).map { index in
            (flops.decoderBlock + (index == 0 ? flops.decoderEmbed : 0)) / flops.total(c)
        }
        let images = exchangedImages(division) / division.ranks
        let regularizer = configuration.loss.regularizer.makeRegularizer(
            of: FeatureBatch(
                rankCounts: [Int](repeating: images, count: division.ranks), rank: 0, microImages: division.images,
                width: c.embedDim), plan: MemoryPlan(isBacked: false))
        let exchange: StepModel.Exchange =
            switch regularizer.exchanged {
            case .sum(let own, _): .sum(elements: own.count, bytesPerElement: MemoryLayout<Double>.stride)
            case .gather(let own, _): .gather(bytes: own.byteCount)
            }
        let followUp: StepModel.FollowUp =
            switch regularizer.followUp {
            case .sum: .sum
            case .gather(let own, _): .gather(bytes: own.byteCount)
            case nil: .none
            }
        let gradients = configuration.gradientExchange
        return StepModel(
            gradientStages: model.gradientStages.map {
                StepModel.GradientStage(elements: $0.elements, share: $0.share)
            },
            gradientSum: StepModel.GradientSum(
                bucketBytes: gradients.bucketBytes,
                isDirect: gradients.resolvedAlgorithm(on: world(for: division).hostLayout) == .direct,
                wireBytes: gradients.wire.byteCount, sharesUpdate: gradients.shardsOptimizer),
            decoderBlockShares: blocks + [flops.decoderPred / flops.total(c)],
            exchange: exchange, followUp: followUp)
    }
}
