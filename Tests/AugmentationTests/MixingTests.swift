import Augmentation
import ImageCodecs
import Tensors
import Testing

@Suite("Mixup and CutMix of two images")
struct MixingTests {
    private let size = ImageSize(height: 24, width: 20)

    private func draw(_ sample: Int) -> ImageAugmentation.Draw {
        ImageAugmentation.Draw(seed: 5, epoch: 2, sample: sample)
    }

    @Test("a share and a pixel give timm's patch, and the share that is left")
    func patches() throws {
        let rows = try FineTuningFixture().rows("cut.box", of: 10)
        #expect(rows.count == 20)
        for row in rows {
            let size = ImageSize(row[3], row[4])
            let box = Mixing.patch(leaving: row[0], around: Int(row[1]), Int(row[2]), in: size)
            #expect([box.top, box.left, box.height, box.width].map(Double.init) == Array(row[5..<9]), "\(row)")
            #expect(abs(Mixture.patch(box).share(in: size) - row[9]) < 1e-6)
        }
    }

    @Test("six images become what timm makes of them", arguments: ["batch", "pair", "elem"], ["blend", "patch"])
    func parity(mode: String, kind: String) throws {
        let fixture = try FineTuningFixture()
        let size = ImageSize(height: 5, width: 4)
        let images = Matrix(rows: 6, columns: 2 * size.pixels, values: try fixture.values("mix.images"))
        let shares = try fixture.values("mix.\(mode).given").map(Double.init)
        let boxes = kind == "patch" ? try fixture.rows("mix.\(mode).patch.box", of: 4) : []
        let mixtures = shares.indices.map { index -> Mixture in
            guard shares[index] < 1 else { return .none }
            guard kind == "patch" else { return .blend(own: shares[index]) }
            let box = boxes[index].map { Int($0) }
            return .patch(CropBox(top: box[0], left: box[1], height: box[2], width: box[3]))
        }
        let expected = try fixture.values("mix.\(mode).\(kind)")
        let expectedShares = try fixture.values("mix.\(mode).\(kind).share")
        for image in 0..<3 {
            let partner = 5 - image
            let own = mixtures[mode == "batch" ? 0 : image]
            let other = mode == "elem" ? mixtures[partner] : own
            Mixture.exchange(
                images.rows(image..<image + 1), own, images.rows(partner..<partner + 1), other, size)
            #expect(abs(Float(own.share(in: size)) - expectedShares[image]) < 1e-6)
            #expect(abs(Float(other.share(in: size)) - expectedShares[partner]) < 1e-6)
        }
        #expect(images.array != (try fixture.values("mix.images")))
        // Patches are copied; of shares, timm rounds the other's to a float later than we do.
        let tolerance: Float = kind == "patch" ? 0 : 1e-6
        #expect(zip(images.array, expected).allSatisfy { abs($0 - $1) <= tolerance })
    }

    @Test("shares have the moments of the beta distribution", arguments: [0.2, 0.8, 1, 3])
    func beta(alpha: Double) {
        let mixing = Mixing(mixupAlpha: alpha, cutmixAlpha: 0)
        let shares = (0..<20_000).map { mixing.mixture(draw($0), in: size).share(in: size) }
        let mean = shares.reduce(0, +) / 20_000
        let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
        let fourth = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) * ($1 - mean) * ($1 - mean) } / 20_000
        let expected = 1 / (4 * (2 * alpha + 1))
        // Five standard errors, and the kurtosis: 3 - 6/(2α + 3).
        #expect(abs(mean - 0.5) < 5 * (expected / 20_000).squareRoot())
        #expect(abs(variance - expected) < 5 * expected * (2 / 20_000.0).squareRoot())
        #expect(abs(fourth / (variance * variance) - (3 - 6 / (2 * alpha + 3))) < 0.1)
        #expect(shares.allSatisfy { $0 >= 0 && $0 <= 1 })
    }

    @Test("images are mixed as often as they shall be, one way and the other")
    func probabilities() {
        let mixing = Mixing(mixupAlpha: 0.8, cutmixAlpha: 1, probability: 0.8, switchProbability: 0.25)
        var (blends, patches) = (0, 0)
        var share = 0.0
        for sample in 0..<10_000 {
            switch mixing.mixture(draw(sample), in: size) {
            case .none: break
            case .blend: blends += 1
            case .patch(let box):
                patches += 1
                share += Double(box.size.pixels) / Double(size.pixels)
                #expect(box.top >= 0 && box.left >= 0 && box.height >= 0 && box.width >= 0)
                #expect(box.top + box.height <= size.height && box.left + box.width <= size.width)
            }
        }
        // Binomial: 6000 ± 49, 2000 ± 40; five of each.
        #expect(abs(blends - 6000) < 245 && abs(patches - 2000) < 200)
        // timm's own, 100,000 patches of this size: 0.3057 ± 0.0041 for 2000; five of them.
        #expect(abs(share / Double(patches) - 0.3057) < 0.021)
        for (mixup, cutmix) in [(0.8, 0.0), (0, 1)] {
            let one = Mixing(mixupAlpha: mixup, cutmixAlpha: cutmix)
            for sample in 0..<50 {
                if case .patch = one.mixture(draw(sample), in: size) {
                    #expect(cutmix > 0)
                } else {
                    #expect(mixup > 0)
                }
            }
        }
    }

    @Test("patches of given sides have them, and lie anywhere")
    func range() throws {
        let mixing = Mixing(mixupAlpha: 0, cutmixAlpha: 0, cutmixRange: 0.25...0.5)
        try mixing.check(size: size)
        var (heights, widths, tops) = (Set<Int>(), Set<Int>(), Set<Int>())
        for sample in 0..<2000 {
            guard case .patch(let box) = mixing.mixture(draw(sample), in: size) else {
                Issue.record("no patch")
                continue
            }
            #expect(box.lies(in: size))
            heights.insert(box.height)
            widths.insert(box.width)
            tops.insert(box.top)
        }
        // As NumPy's randint, without the end.
        #expect(heights == Set(6..<12) && widths == Set(5..<10) && tops == Set(0...18))
        #expect(throws: AugmentationError.emptyPatch(0.5...0.51, size)) {
            try Mixing(mixupAlpha: 0, cutmixAlpha: 0, cutmixRange: 0.5...0.51).check(size: size)
        }
    }
}
