import Layers
import Models
import Safetensors
import Tensors
import TestSupport
import Testing

@Suite("An encoder by itself, which sees every patch")
struct VisionTransformerTests {
    /// An encoder that owns its parameters, and what a pass of it writes.
    private struct Bench {
        let parameters: ParameterSet
        let encoder: VisionTransformer
        let activations: VisionTransformer.Activations
        let team: Team
        let contexts: [LayerContext]

        init(
            _ configuration: VisionTransformerConfiguration, _ element: ElementType = .float32, images: Int,
            threads: Int = 2, _ selection: PatchSelection = .all, dropPath: Double = 0,
            _ options: PassOptions = PassOptions()
        ) throws {
            let plan = MemoryPlan()
            let specifications = VisionTransformer.specifications(configuration)
            parameters = ParameterSet(specifications, plan: plan)
            encoder = VisionTransformer(
                configuration, parameters, element,
                packing: Linear.packingSpace(for: specifications, element, plan: plan), plan: plan)
            activations = VisionTransformer.Activations(
                encoder, images: images, selection, dropPath: dropPath, options, plan: plan)
            let samples = MatrixView<Int>(rows: images, columns: 1, values: Array(0..<images))
            activations.dropPath?.draw(seed: 5, epoch: 0, samples: samples, images: 0..<images)
            team = try Team(threads: threads)
            contexts = LayerContext.makeAll(
                team: team, maximumWidth: encoder.maximumWidth,
                scratchBytes: encoder.scratchBytes(images: images, tokens: 1 + configuration.patches), plan: plan)
            parameters.initialize(seed: 3)
            encoder.computePositions()
        }

        /// The ranges of the gradient of Σ feature · slope, in the order in which backward finishes them.
        @discardableResult func differentiate(_ images: Matrix, slopes: Matrix) -> [Range<Int>] {
            var finished: [Range<Int>] = []
            // What an earlier pass has left must not matter.
            activations.dLatent.fill(7)
            parameters.gradients.clear()
            team.run { member in
                let context = contexts[member.index]
                encoder.forward(images, activations, in: context)
                encoder.backward(activations, addingToLatent: false, dFeatures: slopes, in: context) {
                    finished.append($0)
                }
            }
            return finished
        }
    }

    private static func random(_ rows: Int, _ columns: Int) -> Matrix {
        let matrix = Matrix(rows: rows, columns: columns)
        var random = SampleRandom(seed: 4, epoch: 0, sample: columns, purpose: .syntheticImage)
        for row in 0..<rows {
            for column in 0..<columns { matrix[row, column] = random.normal() }
        }
        return matrix
    }

    @Test(
        "latent, feature and every gradient are those of transformers' ViTModel (scripts/fixtures/encoder.py)",
        arguments: VisionTransformerConfiguration.Feature.allCases, [1, 2])
    func parity(feature: VisionTransformerConfiguration.Feature, threads: Int) throws {
        var c = VisionTransformerConfiguration()
        (c.imageHeight, c.imageWidth, c.patchSize, c.channels) = (8, 12, 4, 3)
        (c.embedDim, c.depth, c.heads, c.mlpRatio) = (16, 2, 2, 2.5)
        (c.positions, c.feature) = (.learned, feature)
        let bench = try Bench(c, images: 3, threads: threads)
        try bench.parameters.loadWeights(from: SafetensorsFile(path: ParityTests.fixture("encoder.weights")))
        let batch = try SafetensorsFile(path: ParityTests.fixture("encoder.batch"))
        let (images, slopes) = (Matrix(rows: 3, columns: c.imageValues), Matrix(rows: 3, columns: c.embedDim))
        images.copy(from: try batch.floats("images"))
        slopes.copy(from: try batch.floats("slopes"))
        bench.differentiate(images, slopes: slopes)

        var own = ["latent": bench.activations.latent.array, "feature": bench.activations.features.array]
        for specification in bench.parameters.trainable {
            own["grad.\(specification.name)"] = bench.parameters[specification.name].gradient.array
        }
        let expected = try SafetensorsFile(path: ParityTests.fixture("encoder.expected"))
        let prefix = "\(feature.rawValue)."
        let names = expected.names.filter { $0.hasPrefix(prefix) }
        #expect(Set(names) == Set(own.keys.map { prefix + $0 }))
        for (name, values) in own {
            let error = relativeError(values, try expected.floats(prefix + name))
            #expect(error <= ParityTests.tolerance, "\(name): \(error)")
        }
    }

    @Test(
        "has the bits of one whose masking keeps all patches in raster order", arguments: ElementType.allCases,
        VisionTransformerConfiguration.Feature.allCases)
    func sameAsKept(element: ElementType, feature: VisionTransformerConfiguration.Feature) throws {
        var c = RandomPass.model
        (c.maskRatio, c.feature, c.positions) = (0, feature, element == .float32 ? .learned : .sincos)
        let masking = RandomMasking(images: 5, configuration: c, plan: MemoryPlan())
        masking.noise.fill(0)
        masking.sortNoise()
        let (images, slopes) = (Self.random(5, c.imageValues), Self.random(5, c.embedDim))
        let (all, kept) = (
            try Bench(c.encoder, element, images: 5), try Bench(c.encoder, element, images: 5, .kept(masking))
        )
        for bench in [all, kept] { bench.differentiate(images, slopes: slopes) }
        #expect(all.activations.features.array == kept.activations.features.array)
        #expect(all.parameters.gradients.array == kept.parameters.gradients.array)
        #expect(all.parameters.gradients.array.contains { $0 != 0 })
    }

    @Test("has the same bits where blocks are computed again")
    func recomputed() throws {
        let c = RandomPass.model.encoder
        var options = PassOptions()
        options.kept = .inputs
        let (images, slopes) = (Self.random(3, c.imageValues), Self.random(3, c.embedDim))
        let (kept, recomputed) = (try Bench(c, images: 3), try Bench(c, images: 3, .all, options))
        for bench in [kept, recomputed] { bench.differentiate(images, slopes: slopes) }
        #expect(recomputed.parameters.gradients.array == kept.parameters.gradients.array)
    }

    @Test(
        "has the same features where nothing is kept for backward, or the last block computes the class token alone",
        arguments: ElementType.allCases, VisionTransformerConfiguration.Feature.allCases)
    func forwardAlone(element: ElementType, feature: VisionTransformerConfiguration.Feature) throws {
        var c = RandomPass.model.encoder
        c.feature = feature
        let images = Self.random(3, c.imageValues)
        var options = PassOptions.forwardAlone
        options.onlyClassToken = feature != .pooled
        let benches = [try Bench(c, element, images: 3), try Bench(c, element, images: 3, .all, options)]
        for bench in benches {
            bench.team.run { bench.encoder.forward(images, bench.activations, in: bench.contexts[$0.index]) }
        }
        #expect(benches[1].activations.latent.rows == (feature == .pooled ? 3 * (1 + c.patches) : 3))
        #expect(benches[0].activations.features.array == benches[1].activations.features.array)
    }

    @Test(
        "has the same gradient where the last block computes the class token alone",
        arguments: [0, 0.5], [PassOptions.Kept.activations, .inputs])
    func onlyClassToken(dropPath: Double, kept: PassOptions.Kept) throws {
        let c = RandomPass.model.encoder
        var options = PassOptions()
        options.kept = kept
        let (images, slopes) = (Self.random(5, c.imageValues), Self.random(5, c.embedDim))
        let all = try Bench(c, images: 5, .all, dropPath: dropPath, options)
        options.onlyClassToken = true
        let one = try Bench(c, images: 5, .all, dropPath: dropPath, options)
        for bench in [all, one] { bench.differentiate(images, slopes: slopes) }
        #expect(one.activations.latent.rows == 5)
        #expect(one.activations.features.array == all.activations.features.array)
        #expect(relativeError(one.parameters.gradients.array, all.parameters.gradients.array) < 1e-6)
    }

    @Test("finishes all of its gradients, the last ones first, a block in two parts")
    func finished() throws {
        let c = RandomPass.model.encoder
        let bench = try Bench(c, images: 2)
        let ranges = bench.differentiate(Self.random(2, c.imageValues), slopes: Self.random(2, c.embedDim))
        #expect(ranges.count == 2 * c.depth + 1 && ranges.allSatisfy { !$0.isEmpty })
        #expect(ranges.first?.upperBound == bench.encoder.range.upperBound && ranges.last?.lowerBound == 0)
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.lowerBound == $1.upperBound })
        #expect(bench.encoder.range == 0..<bench.parameters.gradients.columns)
    }
}
