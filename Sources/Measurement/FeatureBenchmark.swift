internal import Communication
internal import Evaluation
internal import Features
internal import Layers
package import Models
package import Runs
package import Tensors

/// Measures how fast an encoder sees whole images, as evaluation has it see them: random images and weights.
package struct FeatureBenchmark {
    /// Figures of one measurement; the keys of `umae-dist bench --work features --json`, those of `Benchmark.Result`.
    package struct Result: Codable, Sendable {
        package var model: String
        package var precision: String
        package var ranks: Int
        package var threadsPerRank: Int
        package var batchSizePerRank: Int
        package var imagesPerSecond: Double
        package var flopsPerImage: Double
        package var flopsPerSecond: Double
        package var peakFlopsPerSecond: Double
        package var fractionOfPeak: Double
        /// Median, of the slowest rank.
        package var secondsPerStep: Double
        package var peakMemoryBytes: Int
        package var steps: Int
        package var kernels: String
    }

    package let name: String
    package let configuration: VisionTransformerConfiguration
    package let precision: ElementType
    /// Of one pass of a rank.
    package let images: Int
    package let steps: Int
    package let warmupSteps: Int

    package init(
        name: String, configuration: VisionTransformerConfiguration, precision: ElementType, images: Int, steps: Int,
        warmupSteps: Int
    ) {
        self.name = name
        self.configuration = configuration
        self.precision = precision
        self.images = images
        self.steps = steps
        self.warmupSteps = warmupSteps
    }

    /// Collective; every rank returns the same.
    package func run(on resources: RankResources) throws -> Result {
        let (communicator, memory) = (resources.communicator, resources.memory)
        let parameters = ParameterSet(VisionTransformer.specifications(configuration), plan: memory)
        let encoder = VisionTransformer(configuration, parameters, precision, plan: memory)
        parameters.initialize(seed: 0)
        encoder.computePositions()
        let frozen = FrozenEncoder(encoder, images: images, team: resources.team, plan: memory)
        frozen.refreshWeights()
        let pixels = Matrix(rows: images, columns: configuration.imageValues)
        var random = SampleRandom(seed: 0, epoch: 0, sample: 0, purpose: .syntheticImage)
        pixels.withMutableElements { for index in $0.indices { $0[index] = 2 * random.uniform() - 1 } }

        var peak = try PeakRate.measure(precision, resources)
        var seconds: [Double] = []
        for step in 0..<warmupSteps + steps {
            try communicator.barrier()
            let start = ContinuousClock.now
            frozen.encode(pixels, keeping: .cls)
            if step >= warmupSteps { seconds.append((ContinuousClock.now - start) / .seconds(1)) }
        }
        peak = max(peak, try PeakRate.measure(precision, resources))
        var largest = [seconds.sorted()[steps / 2], Double(ProcessMemory.peakResidentBytes())]
        try communicator.allReduce(&largest, .maximum)
        let rate = Double(images * communicator.size) / largest[0]
        let flops = configuration.forwardFlops
        return Result(
            model: name, precision: precision.rawValue, ranks: communicator.size, threadsPerRank: resources.team.count,
            batchSizePerRank: images, imagesPerSecond: rate, flopsPerImage: flops, flopsPerSecond: flops * rate,
            peakFlopsPerSecond: peak, fractionOfPeak: flops * rate / peak, secondsPerStep: largest[0],
            peakMemoryBytes: Int(largest[1]), steps: steps, kernels: VectorKernels.instructionSet)
    }
}
