import Models
import Tensors
import Testing

@Suite("Random masking")
struct RandomMaskingTests {
    static func configuration() -> MaskedAutoencoderConfiguration {
        var c = MaskedAutoencoderConfiguration()
        (c.imageHeight, c.imageWidth, c.patchSize) = (20, 20, 4)
        return c
    }

    @Test("ids and mask are those of a stable argsort, ties included")
    func argsort() {
        let c = Self.configuration()
        let masking = RandomMasking(images: 40, configuration: c, plan: MemoryPlan())
        for image in 0..<40 {
            var random = SampleRandom(seed: 1, epoch: 0, sample: image, purpose: .masking)
            // Few distinct values: many ties.
            for patch in 0..<25 { masking.noise[image, patch] = Float(random.integer(below: 6)) }
        }
        masking.sortNoise()
        for image in 0..<40 {
            let noise = masking.noise.rows(image..<image + 1).array
            let order = noise.indices.sorted { (noise[$0], $0) < (noise[$1], $1) }
            for (place, patch) in order.enumerated() {
                #expect(masking.idsRestore[image, patch] == Int32(place))
                #expect(masking.mask[image, patch] == (place < c.keptPatches ? 0 : 1))
                if place < c.keptPatches { #expect(masking.idsKeep[image, place] == Int32(patch)) }
            }
        }
    }

    @Test("a mask belongs to its sample and epoch, wherever it stands in a batch")
    func belongsToSample() {
        func mask(_ samples: [Int], epoch: Int = 3) -> [[Float]] {
            let masking = RandomMasking(images: samples.count, configuration: Self.configuration(), plan: MemoryPlan())
            masking.draw(seed: 9, epoch: epoch, samples: MatrixView(rows: samples.count, columns: 1, values: samples))
            return samples.indices.map { masking.mask.rows($0..<$0 + 1).array }
        }
        let together = mask([5, 8, 1000])
        #expect(together == [mask([5])[0], mask([8])[0], mask([1000])[0]])
        #expect(together[0] != together[1])
        #expect(mask([5], epoch: 4)[0] != together[0])
    }

    @Test("the first view of a sample has the mask of one view, the others have their own")
    func views() {
        let c = Self.configuration()
        func masks(_ samples: [Int], views: Int) -> [[Float]] {
            let masking = RandomMasking(images: samples.count * views, configuration: c, plan: MemoryPlan())
            let column = MatrixView(rows: samples.count, columns: 1, values: samples)
            // In parts, as threads draw them.
            for row in 0..<samples.count * views {
                masking.draw(seed: 9, epoch: 3, samples: column, images: row..<row + 1)
            }
            return (0..<samples.count * views).map { masking.noise.rows($0..<$0 + 1).array }
        }
        let several = masks([5, 8], views: 3)
        #expect(Array(several[..<2]) == masks([5, 8], views: 1))
        #expect(masks([8], views: 3) == [several[1], several[3], several[5]])
        // All numbers are of different places of the streams.
        #expect(Set(several.joined()).count > 6 * 25 - 3)
    }
}
