import Augmentation
import ImageCodecs
import ImageData
import Tensors
import TestSupport
import Testing

@Suite("Mixing the images of a micro-batch")
struct ImageMixingTests {
    private let size = ImageSize(height: 6, width: 5)

    /// Images that differ from one another, numbered from `first`, and what mixing makes of them and their labels.
    private struct Outcome: Equatable {
        var images: [Float]
        var partners: [Int32]
        var weights: [Float]
    }

    private func images(_ count: Int) -> [Float] {
        (0..<count * 2 * size.pixels).map { Float($0 % 61) / 7 - 4 + Float($0 / 60) }
    }

    private func mix(
        _ mixing: Mixing, samples: [Int], epoch: Int = 3, seed: UInt64 = 1, threads: Int = 1
    ) throws -> Outcome {
        let count = samples.count
        let batch = Batch(
            images: Matrix(rows: count, columns: 2 * size.pixels, values: images(count)),
            samples: MatrixView(rows: count, columns: 1, values: samples), epoch: epoch, micro: 0)
        let labels = IndexMatrix(rows: count, columns: 1, values: (0..<count).map { Int32(10 + $0) })
        let partners = IndexMatrix(rows: count, columns: 1)
        let weights = Matrix(rows: count, columns: 1)
        let mixer = ImageMixing(mixing, size: size, seed: seed)
        try Team(threads: threads).run { member in
            mixer.mix(batch, labels: labels, partners: partners, weights: weights, by: member)
        }
        return Outcome(images: batch.images.array, partners: partners.array, weights: weights.array)
    }

    private func mixing(_ mode: Mixing.Mode, probability: Float = 1) -> Mixing {
        Mixing(mixupAlpha: 0.8, cutmixAlpha: 1, probability: probability, mode: mode)
    }

    @Test(
        "the i-th image is mixed with the i-th from the end, one in the middle with none",
        arguments: Mixing.Mode.allCases)
    func partners(mode: Mixing.Mode) throws {
        let result = try mix(Mixing(mixupAlpha: 0.8, cutmixAlpha: 0, mode: mode), samples: [4, 9, 2, 7, 5])
        #expect(result.partners == [14, 13, 12, 11, 10])
        #expect(result.weights[2] == 1)
        let plain = images(5)
        for element in plain.indices {
            let (image, place) = (element / 60, element % 60)
            let weight = result.weights[image]
            let expected = weight * plain[element] + (1 - weight) * plain[(4 - image) * 60 + place]
            // Of numbers below 10, a few roundings.
            #expect(abs(result.images[element] - expected) < 5e-6)
        }
        #expect(result.weights[0] < 1 && result.images != plain)
    }

    @Test("a weight is the part of an image that is its own")
    func patches() throws {
        let result = try mix(
            Mixing(mixupAlpha: 0, cutmixAlpha: 0, cutmixRange: 0.3...0.8, mode: .elem), samples: Array(0..<8))
        let plain = images(8)
        for image in 0..<8 {
            let own = (0..<60).count { result.images[image * 60 + $0] == plain[image * 60 + $0] }
            let other = (0..<60).count { result.images[image * 60 + $0] == plain[(7 - image) * 60 + $0] }
            #expect(own + other == 60 && own < 60 && Float(own) / 60 == result.weights[image])
        }
    }

    @Test("a micro-batch, a pair or an image has draws of its own")
    func modes() throws {
        let samples = Array(20..<28)
        func weights(_ mode: Mixing.Mode) throws -> [Float] {
            try mix(Mixing(mixupAlpha: 0.8, cutmixAlpha: 0, mode: mode), samples: samples).weights
        }
        #expect(Set(try weights(.batch)).count == 1)
        let pairs = try weights(.pair)
        #expect(Set(pairs).count == 4 && pairs == pairs.reversed())
        #expect(Set(try weights(.elem)).count == 8)
    }

    @Test("draws belong to seed, epoch and sample, whatever the number of threads", arguments: Mixing.Mode.allCases)
    func draws(mode: Mixing.Mode) throws {
        let samples = [3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 97]
        let plain = try mix(mixing(mode), samples: samples)
        for threads in [2, 3, 8] { #expect(try mix(mixing(mode), samples: samples, threads: threads) == plain) }
        #expect(try mix(mixing(mode), samples: samples, seed: 2).weights != plain.weights)
        #expect(try mix(mixing(mode), samples: samples, epoch: 4).weights != plain.weights)
        // Of an image's own draws, its place and the others are no part.
        if mode == .elem {
            let turned = try mix(mixing(mode), samples: samples.reversed()).weights
            for image in [0, 1, 2, 3, 4, 6, 7] { #expect(turned[10 - image] == plain.weights[image]) }
        }
    }

    @Test("what is not mixed stays as it is, with its label")
    func unmixed() throws {
        let result = try mix(mixing(.elem, probability: 0), samples: [1, 2, 3, 4])
        #expect(result.images == images(4) && result.weights == [1, 1, 1, 1])
    }
}
