import Classification
import Models
import Tensors
import Testing

@Suite("Branches that are dropped")
struct DropPathTests {
    /// Factors [2·depth, N], one for each image, whose tokens all have the same.
    private func draw(_ samples: [Int], epoch: Int = 0, seed: UInt64 = 1, rate: Double = 0.4) throws -> [[Float]] {
        let c = ClassificationFixture.configuration(.mean)
        let model = VisionTransformerClassifier(c, .float32, plan: MemoryPlan())
        let activations = VisionTransformerClassifier.Activations(
            model, images: samples.count, dropPath: rate, plan: MemoryPlan())
        let dropPath = try #require(activations.encoder.dropPath)
        let numbers = MatrixView<Int>(rows: samples.count, columns: 1, values: samples)
        // In two parts, as two threads would.
        for part in [samples.count / 2..<samples.count, 0..<samples.count / 2] {
            dropPath.draw(seed: seed, epoch: epoch, samples: numbers, images: part)
        }
        let tokens = dropPath.factors.columns / samples.count
        return (0..<dropPath.factors.rows).map { branch in
            samples.indices.map { image in
                let all = dropPath.factors.rows(branch..<branch + 1).columns(image * tokens..<(image + 1) * tokens)
                #expect(Set(all.array).count == 1)
                return all[0, 0]
            }
        }
    }

    @Test("the share rises from none to the rate, and what is kept is divided by its share")
    func rates() throws {
        let count = 4000
        let factors = try draw(Array(0..<count))
        for (branch, row) in factors.enumerated() {
            let kept = 1 - 0.4 * Double(branch / 2) / 3
            #expect(Set(row).subtracting([0, Float(1 / kept)]).isEmpty)
            // Five standard deviations.
            let share = Double(row.count { $0 > 0 }) / Double(count)
            #expect(abs(share - kept) <= 5 * (kept * (1 - kept) / Double(count)).squareRoot(), "\(branch): \(share)")
        }
        #expect(factors[0].allSatisfy { $0 == 1 } && factors[1].allSatisfy { $0 == 1 })
    }

    @Test("a draw is the image's own, and another in each epoch, with each seed and for each branch")
    func draws() throws {
        let samples = (0..<64).map { $0 * 37 % 64 }
        let factors = try draw(samples)
        let ordered = try draw(Array(0..<64))
        for (row, other) in zip(factors, ordered) { #expect(row == samples.map { other[$0] }) }
        let deep = factors[2...]
        #expect(Set(deep.map { $0.map { $0 > 0 } }).count == deep.count)
        #expect(try draw(samples, epoch: 1) != factors && draw(samples, seed: 2) != factors)
    }

    @Test("no block has factors where nothing is dropped")
    func none() throws {
        let model = VisionTransformerClassifier(
            ClassificationFixture.configuration(.mean), .float32, plan: MemoryPlan())
        #expect(
            VisionTransformerClassifier.Activations(model, images: 2, plan: MemoryPlan()).encoder.dropPath == nil)
    }
}
