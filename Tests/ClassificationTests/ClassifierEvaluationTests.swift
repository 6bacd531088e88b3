import Augmentation
import Classification
import Communication
import Evaluation
import Features
import Foundation
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite("A classifier on test images")
struct ClassifierEvaluationTests {
    /// Of what each rank finds in all images of `source`.
    private func evaluate(
        _ source: any ImageSource, ranks: Int, images: Int, threads: Int = 1, skipping: Bool = false
    ) throws -> [ClassifierEvaluation.Result] {
        try InProcessWorld.run(ranks: ranks) { world in
            let plan = MemoryPlan()
            let team = try Team(threads: threads)
            let model = VisionTransformerClassifier(
                ClassificationFixture.configuration(.mean, dropPath: 0.3), .float32, plan: plan)
            try model.loadWeights(from: ClassificationFixture().weights)
            let passes = ImagePasses(FineTuningRun.transform, images: images, team: team, plan: plan)
            return try ClassifierEvaluation(ClassifierInUse(model, images: images, team: team, plan: plan), passes)
                .run(source, skipping: skipping ? BadImages(.skip, of: source.count) : nil, in: world)
        }
    }

    /// The same by a pass over all of these images at once.
    private func expected(_ images: [Int]) throws -> (crossEntropy: Double, top1: Double, top5: Double) {
        let source = FineTuningRun.source
        let bench = try ClassifierBench(ClassificationFixture.configuration(.mean), images: images.count)
        try bench.model.loadWeights(from: ClassificationFixture().weights)
        let pixels = Matrix(rows: images.count, columns: FineTuningRun.transform.elementCount)
        let workspace = AugmentationWorkspace()
        for (row, image) in images.enumerated() {
            try FineTuningRun.transform.prepare(
                source, index: image, seed: 0, epoch: 0, workspace: workspace, into: pixels.rows(row..<row + 1))
        }
        let labels = MixedLabels(images: images.count, plan: MemoryPlan())
        let truth = images.map { Int32(source.label(at: $0)) }
        labels.first.copy(from: truth)
        labels.second.copy(from: truth)
        labels.weight.fill(1)
        let outcome = bench.differentiate(pixels, labels, smoothing: 0)
        let logits = outcome.logits.count / images.count
        let places = images.indices.map { row in
            let own = Array(outcome.logits[row * logits..<(row + 1) * logits])
            return own.count { $0 > own[Int(truth[row])] }
        }
        func share(_ most: Int) -> Double { Double(places.count { $0 < most }) / Double(images.count) }
        #expect(outcome.correct == places.count { $0 == 0 })
        return (outcome.crossEntropy, share(1), share(5))
    }

    @Test(
        "each image counts once, whatever the ranks, threads and passes",
        arguments: [(ranks: 1, images: 48, threads: 1), (1, 7, 3), (2, 5, 1), (3, 5, 2), (7, 4, 1)])
    func everyImage(ranks: Int, images: Int, threads: Int) throws {
        let expected = try expected(Array(0..<FineTuningRun.images))
        #expect(expected.top1 > 0 && expected.top1 < expected.top5 && expected.top5 < 1)
        for result in try evaluate(FineTuningRun.source, ranks: ranks, images: images, threads: threads) {
            #expect(result.accuracy.top1 == expected.top1 && result.accuracy.top5 == expected.top5)
            #expect(abs(result.crossEntropy - expected.crossEntropy) < 1e-5)
        }
    }

    /// Images of which two cannot be read.
    private struct Damaged: WrappedImages {
        var images: InMemoryImages { FineTuningRun.source }
        func decode(
            at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
        ) throws(ImageDataError) -> PixelView {
            if [3, 11].contains(index) { throw .badImage(path: "/\(index)", reason: .empty) }
            return images.decode(at: index, part: choose, into: buffer)
        }
    }

    @Test("images that cannot be read do not count, or end it", arguments: [1, 3])
    func bad(ranks: Int) throws {
        let expected = try expected((0..<FineTuningRun.images).filter { ![3, 11].contains($0) })
        for result in try evaluate(Damaged(), ranks: ranks, images: 5, skipping: true) {
            #expect(result.accuracy.top1 == expected.top1 && result.accuracy.top5 == expected.top5)
            #expect(abs(result.crossEntropy - expected.crossEntropy) < 1e-5)
        }
        #expect(throws: AgreedFailure.self) { try evaluate(Damaged(), ranks: ranks, images: 5) }
    }

    @Test("what is not a number is no class at all")
    func notANumber() {
        let logits = Matrix(rows: 1, columns: 4, values: [1, .nan, 3, 3])
        #expect((0..<4).map { ClassificationAccuracy.place(of: $0, in: logits) } == [3, 3, 1, 2])
        logits.fill(.nan)
        #expect((0..<4).allSatisfy { ClassificationAccuracy.place(of: $0, in: logits) == 3 })
    }
}
