internal import Communication
internal import ImageArrays
internal import ImageCodecs
internal import ImageData
internal import ImageSources
internal import Models
package import Planning
package import Pretraining
package import Regularizers
package import Runs
package import Tensors
internal import TrainingRuns
internal import Training

/// A run as it would be on some numbers of nodes: how its batch is divided, how long a step takes, what a rank holds.
package struct ScalingPlan {
    /// Whether the effective batch stays, or each rank's part of it.
    package enum Scaling: String, CaseIterable, Sendable {
        case strong, weak
    }

    /// What is known of the training set.
    package struct TrainingSet: Sendable {
        package let images: Int?
        /// Of the online classifier; nil where images have no labels.
        package let classes: Int?
        package let channels: Int?
        /// What each rank holds of it in memory.
        package let heldBytes: Int

        package init(images: Int?, classes: Int?, channels: Int? = nil, heldBytes: Int = 0) {
            self.images = images
            self.classes = classes
            self.channels = channels
            self.heldBytes = heldBytes
        }
    }

    /// How a number of nodes divides the batch, or why it cannot.
    package struct Division: Equatable, Sendable {
        package let nodes: Int
        package let ranks: Int
        /// Of a rank's micro-batch.
        package var images = 0
        package var accumulation = 0
        package var obstacle: String?

        package var effectiveBatch: Int { ranks * images * accumulation }
    }

    /// Of the run; its effective batch is that of strong scaling, its accumulation that of weak scaling.
    package let configuration: PretrainConfiguration
    package let scaling: Scaling
    /// The most images of a rank's micro-batch.
    package let mostImages: Int
    /// Its number of nodes is not looked at.
    package let cluster: Cluster
    /// One for each number of nodes.
    package let divisions: [Division]
    package let trainingSet: TrainingSet
    /// What memory depends on besides.
    private let computing: ComputeConfiguration

    package init(
        configuration: PretrainConfiguration, scaling: Scaling, mostImages: Int, cluster: Cluster, nodes: [Int],
        trainingSet: TrainingSet, computing: ComputeConfiguration
    ) {
        self.configuration = configuration
        self.scaling = scaling
        self.mostImages = mostImages
        self.cluster = cluster
        self.trainingSet = trainingSet
        self.computing = computing
        divisions = nodes.map { nodes in
            scaling == .strong
                ? Self.division(
                    of: configuration.effectiveBatchSize, mostImages: mostImages, nodes: nodes,
                    ranksPerNode: cluster.ranksPerNode)
                : Division(
                    nodes: nodes, ranks: nodes * cluster.ranksPerNode, images: mostImages,
                    accumulation: configuration.accumulation)
        }
    }

    /// Where the effective batch stays.
    private static func division(of effective: Int, mostImages: Int, nodes: Int, ranksPerNode: Int) -> Division {
        let ranks = nodes * ranksPerNode
        guard effective % ranks == 0 else {
            let fewer = (1..<nodes).last { effective % ($0 * ranksPerNode) == 0 }
            let advice = fewer.map { "use \($0) nodes, or " } ?? "use "
            return Division(
                nodes: nodes, ranks: ranks,
                obstacle: "\(effective) images cannot be divided among \(ranks) ranks: \(advice)another "
                    + "--effective-batch-size")
        }
        let own = effective / ranks
        let accumulation = (1...own).first { own % $0 == 0 && own / $0 <= mostImages } ?? own
        return Division(nodes: nodes, ranks: ranks, images: own / accumulation, accumulation: accumulation)
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
        let spans = configuration.loss.spansMicroBatches(division.accumulation)
        return configuration.loss.regularizer.resolvedTransport(
            images: spans ? division.effectiveBatch : division.effectiveBatch / division.accumulation,
            width: configuration.model.embedDim)
    }
}

extension ScalingPlan {
    /// Figures for one number of nodes; the keys of a row of `umae-dist plan --json`, in snake case.
    package struct Row: Encodable, Sendable {
        package let nodes: Int
        package let ranks: Int
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
        /// Images per second and node over those of the first row that has any.
        package var efficiency: Double?
        package var plannedMemoryBytes: Int?
        package var days: Double?
        /// Why this number of nodes cannot be had.
        package let obstacle: String?

        fileprivate init(_ division: Division) {
            nodes = division.nodes
            ranks = division.ranks
            obstacle = division.obstacle
        }
    }

    /// Every row, from what a rank needs for its own work.
    package func rows(_ compute: ComputeCost, team: Team) throws -> [Row] {
        let c = configuration.model
        let largest = divisions.reduce(1) { max($0, $1.effectiveBatch) }
        let images = SyntheticImageParameters(
            count: largest, channels: c.channels, size: ImageSize(height: c.imageHeight, width: c.imageWidth))
        let layout = StepLayout(
            source: try SyntheticImages(images, split: .train), statistics: .unknown(channels: c.channels),
            classes: trainingSet.classes, compute: computing)
        var rows: [Row] = []
        var firstSpeed: Double?
        for division in divisions {
            var row = Row(division)
            if division.obstacle == nil { try predict(division, compute, layout, team, into: &row) }
            let speed = row.imagesPerSecond.map { $0 / Double(row.nodes) }
            firstSpeed = firstSpeed ?? speed
            if let speed, let firstSpeed { row.efficiency = speed / firstSpeed }
            rows.append(row)
        }
        return rows
    }

    private func predict(
        _ division: Division, _ compute: ComputeCost, _ layout: StepLayout, _ team: Team, into row: inout Row
    ) throws {
        var run = configuration
        (run.effectiveBatchSize, run.accumulation) = (division.effectiveBatch, division.accumulation)
        let (step, memory) = try layout.count(
            run.step, saves: true, holding: trainingSet.heldBytes,
            on: RankResources(PlannedWorld(size: division.ranks, localSize: cluster.ranksPerNode), team))
        var model = StepModel(run.model, gradientStages: step.pass.objective.model.gradientStages)
        model.images = division.images
        model.accumulation = division.accumulation
        model.masksPerImage = run.loss.masksPerImage
        model.spansMicroBatches = run.loss.spansMicroBatches(division.accumulation)
        model.encodesTwice = run.loss.encodesTwice(division.accumulation)
        model.regularizer = run.loss.regularizer
        model.gradients = run.gradientExchange
        model.agreedFigures = PretrainStep.agreedFigures
        var cluster = cluster
        cluster.nodes = division.nodes
        let prediction = model.predict(compute, on: cluster)
        row.batchSizePerRank = division.images
        row.accumIter = division.accumulation
        row.effectiveBatchSize = division.effectiveBatch
        row.secondsPerStep = prediction.stepSeconds
        row.imagesPerSecond = Double(division.effectiveBatch) / prediction.stepSeconds
        row.exposedCommunicationSeconds = prediction.exposedSeconds
        row.communicationSeconds = prediction.communicationSeconds
        row.plannedMemoryBytes = memory.totalBytes
        row.days = trainingSet.images.map { images in
            let steps = (run.epochs - run.startEpoch) * (images / division.effectiveBatch)
            return Double(steps) * prediction.stepSeconds / 86400
        }
    }
}
