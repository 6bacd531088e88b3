import Augmentation
import Tensors
import Testing

@Suite("RandAugment")
struct RandAugmentTests {
    /// The number in an operation.
    private func argument(_ operation: ByteOperation) -> Double? {
        switch operation {
        case .autoContrast, .equalize, .invert: nil
        case .posterize(let bits): Double(bits)
        case .solarize(let threshold): Double(threshold)
        case .solarizeAdd(let amount): Double(amount)
        case .rotate(let value), .shearX(let value), .shearY(let value), .translateX(let value), .translateY(let value),
            .color(let value), .contrast(let value), .brightness(let value), .sharpness(let value):
            value
        }
    }

    @Test("magnitudes become the arguments that timm makes of them, of increasing operations and of others")
    func levels() throws {
        let rows = try FineTuningFixture().rows("levels", of: 5)
        #expect(rows.count == 2 * 12 * 6 * 2)
        for row in rows {
            let policy = RandAugment(increases: row[1] == 1)
            // The fixture has floats.
            let level = (row[2] * 10).rounded() / 10 / 10
            let operation = policy.operation(
                RandAugment.Kind.allCases[Int(row[0])], level: level, isNegative: row[3] < 0)
            let found = try #require(argument(operation))
            #expect(abs(found - row[4]) <= 1e-6 * max(abs(row[4]), 1), "\(row)")
        }
    }

    @Test("a policy is read as timm writes it, in any order, and written so that it can be read")
    func text() throws {
        let usual = RandAugment(magnitude: 9, deviation: 0.5, increases: true)
        #expect(try RandAugment("rand-m9-mstd0.5-inc1") == usual)
        #expect(try RandAugment("rand-inc1-mstd0.5-m9-n2") == usual)
        #expect(try RandAugment("rand") == RandAugment())
        #expect(try RandAugment("rand-m3-n4-inc0") == RandAugment(magnitude: 3, layers: 4))
        #expect(try RandAugment(usual.description) == usual)
        #expect(usual.description == "rand-m9-n2-mstd0.5-inc1")
    }

    @Test(
        "a policy with a part that is none is refused, and the part is named",
        arguments: [
            ("original-mstd0.5", "original"), ("", ""), ("rand-m11", "m11"), ("rand-m9-", ""),
            ("rand-m9-x3", "x3"), ("rand-n0", "n0"), ("rand-mstd-1", "mstd"), ("rand-inc2", "inc2"),
            ("rand-m1.5", "m1.5"), ("rand-p0.5", "p0.5"), ("rand-mstdnan", "mstdnan"),
        ])
    func badText(text: String, part: String) {
        let error = #expect(throws: AugmentationError.self) { try RandAugment(text) }
        #expect(error?.description.contains("\"\(part)\" is not understood") == true)
        #expect(error?.description.hasPrefix(text) == true)
    }

    @Test("each of fifteen operations is drawn as often, half of them are left out, and both ways are as frequent")
    func draws() {
        let policy = RandAugment(magnitude: 9, deviation: 0.5, increases: true)
        let draws = 15_000
        var (found, positive, turns) = ([String: Int](), 0, [Double]())
        for sample in 0..<draws {
            var random = SampleRandom(seed: 4, epoch: 1, sample: sample, purpose: .operations)
            guard let operation = policy.operation(&random) else { continue }
            found["\(operation)".prefix { $0.isLetter }.description, default: 0] += 1
            if case .rotate(let degrees) = operation {
                turns.append(abs(degrees) / 3)
                if degrees > 0 { positive += 1 }
            }
        }
        let total = found.values.reduce(0, +)
        // Binomial: 7500 ± 61 standard, 500 ± 22 of each operation, 250 ± 11 of these to the left; five of each.
        #expect(abs(total - draws / 2) < 305)
        #expect(found.count == 15 && found.values.allSatisfy { abs($0 - 500) < 110 })
        #expect(abs(positive - turns.count / 2) < 60)
        // Magnitudes above 10, one in 44, are 10: which leaves a mean of 8.996 and takes 2% from the deviation.
        let mean = turns.reduce(0, +) / Double(turns.count)
        let variance = turns.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(turns.count)
        // The standard error of the mean is 0.022, that of the deviation 0.016: four of each.
        #expect(abs(mean - 8.996) < 0.09 && abs(variance.squareRoot() - 0.49) < 0.065)
        #expect(turns.allSatisfy { $0 <= 10 } && turns.contains(10))
    }

    @Test("with a large deviation magnitudes are uniform up to the one given")
    func uniformMagnitudes() {
        let policy = RandAugment(magnitude: 8, deviation: 101)
        var turns: [Double] = []
        for sample in 0..<20_000 {
            var random = SampleRandom(seed: 4, epoch: 0, sample: sample, purpose: .operations)
            if case .rotate(let degrees) = policy.operation(&random) { turns.append(abs(degrees) / 3) }
        }
        let mean = turns.reduce(0, +) / Double(turns.count)
        // 667 draws: the standard error is 8/√12/√667 = 0.09; four of them.
        #expect(abs(mean - 4) < 0.36 && turns.allSatisfy { $0 <= 8 } && turns.contains { $0 < 1 })
    }
}
