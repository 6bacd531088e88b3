import Tensors
import Testing

@Suite("Counter-based random numbers")
struct PhiloxTests {
    @Test("Philox4x32-10 gives the known answers of Random123")
    func knownAnswers() {
        let ones = UInt32.max
        #expect(
            Philox.block(counter: (0, 0, 0, 0), key: (0, 0)) == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        #expect(
            Philox.block(counter: (ones, ones, ones, ones), key: (ones, ones))
                == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        #expect(
            Philox.block(
                counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: (0xa409_3822, 0x299f_31d0))
                == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test("streams repeat, and differ by seed, epoch, sample and purpose")
    func streams() {
        func draw(_ seed: UInt64, _ epoch: Int, _ sample: Int, _ purpose: RandomPurpose) -> [UInt32] {
            var random = SampleRandom(seed: seed, epoch: epoch, sample: sample, purpose: purpose)
            return (0..<9).map { _ in random.bits() }
        }
        let base = draw(1, 2, 3, .crop)
        #expect(base == draw(1, 2, 3, .crop))
        let others = [
            draw(1 << 32 + 1, 2, 3, .crop), draw(1, 3, 3, .crop), draw(1, 2, 4, .crop), draw(1, 2, 3, .flip),
            draw(1, 2, 3 + 1 << 33, .crop),
        ]
        #expect(Set(others + [base]).count == 6)
    }

    @Test("draws are uniform and within their bounds")
    func distribution() {
        var random = SampleRandom(seed: 5, epoch: 0, sample: 0, purpose: .shuffle)
        var counts = [Int](repeating: 0, count: 7)
        var sum = 0.0
        for _ in 0..<70_000 {
            counts[random.integer(below: 7)] += 1
            let value = random.uniform()
            #expect(value >= 0 && value < 1)
            sum += Double(value)
        }
        // Standard deviation of a count: 93; of the mean: 0.0011.
        #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
        #expect(abs(sum / 70_000 - 0.5) < 0.006)
    }
}
