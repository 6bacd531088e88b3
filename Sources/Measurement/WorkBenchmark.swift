internal import Classification
internal import Communication
internal import Features
internal import FineTuning
internal import ImageArrays
internal import ImageCodecs
internal import ImageData
internal import ImageSources
internal import Layers
package import Models
internal import Optimization
package import Runs
package import Tensors
internal import Training
internal import TrainingRuns

/// Measures what is done with an encoder besides pretraining it, on random weights and images that are made for it.
package struct WorkBenchmark {
    package enum Work: Sendable {
        /// The encoder sees whole images, as evaluation has it see them.
        case features
        /// Steps that fine-tune a classifier of 1000 classes: smoothed labels, branches dropped, no augmentation of bytes.
        case fineTuning
    }

    /// Figures of one measurement; keys as those of `Benchmark.Result`.
    package struct Result: Codable, Sendable {
        package var model: String
        package var precision: String
        package var ranks: Int
        package var threadsPerRank: Int
        package var batchSizePerRank: Int
        package var imagesPerSecond: Double
        package var flopsPerImage: Double
        package var flopsPerSecond: Double
        /// All ranks together, measured before and after; the higher of both.
        package var peakFlopsPerSecond: Double
        package var fractionOfPeak: Double
        /// Median, of the slowest rank.
        package var secondsPerStep: Double
        package var peakMemoryBytes: Int
        package var steps: Int
        package var kernels: String
    }

    private let name: String
    private let work: Work
    private let configuration: VisionTransformerConfiguration
    private let precision: ElementType
    private let images: Int
    private let steps: Int
    private let warmupSteps: Int

    /// - Parameter images: of a rank in one pass or step.
    package init(
        _ work: Work, of name: String, _ configuration: VisionTransformerConfiguration, _ precision: ElementType,
        images: Int, steps: Int, warmupSteps: Int
    ) {
        self.work = work
        self.name = name
        self.configuration = configuration
        self.precision = precision
        self.images = images
        self.steps = steps
        self.warmupSteps = warmupSteps
    }

    /// Collective; every rank returns the same.
    package func run(on resources: RankResources) throws -> Result {
        let communicator = resources.communicator
        let (once, flops) = try work == .features ? pass(on: resources) : step(on: resources)
        var peak = try PeakRate.measure(precision, resources)
        var seconds: [Double] = []
        for number in 0..<warmupSteps + steps {
            try communicator.barrier()
            let start = ContinuousClock.now
            try once(number + 1)
            if number >= warmupSteps { seconds.append((ContinuousClock.now - start) / .seconds(1)) }
        }
        peak = max(peak, try PeakRate.measure(precision, resources))
        var largest = [seconds.sorted()[steps / 2], Double(ProcessMemory.peakResidentBytes())]
        try communicator.allReduce(&largest, .maximum)
        let rate = Double(images * communicator.size) / largest[0]
        return Result(
            model: name, precision: precision.rawValue, ranks: communicator.size, threadsPerRank: resources.team.count,
            batchSizePerRank: images, imagesPerSecond: rate, flopsPerImage: flops, flopsPerSecond: flops * rate,
            peakFlopsPerSecond: peak, fractionOfPeak: flops * rate / peak, secondsPerStep: largest[0],
            peakMemoryBytes: Int(largest[1]), steps: steps, kernels: VectorKernels.instructionSet)
    }

    private typealias Measured = (once: (_ number: Int) throws -> Void, flopsPerImage: Double)

    private func pass(on resources: RankResources) -> Measured {
        let memory = resources.memory
        let parameters = ParameterSet(VisionTransformer.specifications(configuration), plan: memory)
        let encoder = VisionTransformer(configuration, parameters, precision, plan: memory)
        parameters.initialize(seed: 0)
        encoder.computePositions()
        let frozen = FrozenEncoder(
            encoder, images: images, features: [.cls], team: resources.team, plan: memory)
        frozen.refreshWeights()
        let pixels = Matrix(rows: images, columns: configuration.imageValues)
        var random = SampleRandom(seed: 0, epoch: 0, sample: 0, purpose: .syntheticImage)
        pixels.withMutableElements { for index in $0.indices { $0[index] = 2 * random.uniform() - 1 } }
        return ({ _ in frozen.encode(pixels) }, configuration.forwardFlops)
    }

    private func step(on resources: RankResources) throws -> Measured {
        let world = resources.communicator
        var c = FineTuneConfiguration()
        c.model = ClassifierConfiguration(of: configuration, classes: 1000)
        c.update.precision = precision
        c.update.effectiveBatchSize = images * world.size
        let layout = try world.agree {
            let source = try SyntheticImages(
                SyntheticImageParameters(
                    count: max(256, images * world.size), channels: configuration.channels,
                    size: ImageSize(height: configuration.imageHeight, width: configuration.imageWidth)), split: .train)
            return FineTuneLayout(
                source: source, test: source, statistics: try ChannelStatistics(of: source),
                compute: ComputeConfiguration(), badImages: .fail)
        }
        let step = try layout.step(c, on: resources)
        return ({ _ = try step.run($0, learningRate: 1e-4) }, c.model.flopsPerImage)
    }
}
