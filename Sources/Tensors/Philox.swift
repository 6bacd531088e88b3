/// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
///
/// A pure function of key and counter: any draw can be made anywhere, in any order, on any rank.
package enum Philox {
    package static func block(
        counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        var c = counter
        var k = key
        for round in 0..<10 {
            if round > 0 {
                k.0 &+= 0x9E37_79B9
                k.1 &+= 0xBB67_AE85
            }
            let p0 = UInt64(c.0) * 0xD251_1F53
            let p1 = UInt64(c.2) * 0xCD9E_8D57
            c = (
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c.1 ^ k.0, UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c.3 ^ k.1, UInt32(truncatingIfNeeded: p0)
            )
        }
        return c
    }
}

/// What a random number is drawn for. Each purpose has draws of its own, so adding one leaves the others as they were.
package enum RandomPurpose: UInt32, Sendable {
    case initialization = 1
    case shuffle, masking, crop, flip, syntheticImage, replacement
    case dropPath = 16
    case operations = 24
    case erasing, mixing
}

/// A stream of random numbers that belongs to one sample of one epoch and one purpose, never to a rank.
package struct SampleRandom: Sendable {
    private let key: (UInt32, UInt32)
    private let sample: UInt32
    private let epoch: UInt32
    private let purposeAndHighSample: UInt32
    private var next: UInt32 = 0
    private var buffer: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    private var used = 4

    /// - Parameters:
    ///   - sample: index in the data set, below 2^56.
    ///   - firstBlock: how many blocks of four numbers of the stream are left to others.
    package init(seed: UInt64, epoch: Int, sample: Int, purpose: RandomPurpose, firstBlock: Int = 0) {
        precondition(sample >= 0 && sample < 1 << 56 && firstBlock >= 0)
        next = UInt32(truncatingIfNeeded: firstBlock)
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        self.sample = UInt32(truncatingIfNeeded: sample)
        self.epoch = UInt32(truncatingIfNeeded: epoch)
        purposeAndHighSample = purpose.rawValue | UInt32(truncatingIfNeeded: sample >> 32) << 8
    }

    package mutating func bits() -> UInt32 {
        if used == 4 {
            buffer = Philox.block(counter: (next, sample, epoch, purposeAndHighSample), key: key)
            next &+= 1
            used = 0
        }
        defer { used += 1 }
        switch used {
        case 0: return buffer.0
        case 1: return buffer.1
        case 2: return buffer.2
        default: return buffer.3
        }
    }

    /// Uniform in [0, 1), 24 bits.
    package mutating func uniform() -> Float { Float(bits() >> 8) * 0x1p-24 }

    /// Uniform in [low, high).
    package mutating func uniform(_ low: Double, _ high: Double) -> Double {
        low + (high - low) * (Double(bits()) * 0x1p-32)
    }

    /// Uniform in 0 ..< bound without bias (Lemire, "Fast random integer generation in an interval", 2019).
    package mutating func integer(below bound: Int) -> Int {
        precondition(bound > 0 && bound <= Int(UInt32.max))
        let range = UInt32(bound)
        var product = UInt64(bits()) * UInt64(range)
        if UInt32(truncatingIfNeeded: product) < range {
            let threshold = (0 &- range) % range
            while UInt32(truncatingIfNeeded: product) < threshold { product = UInt64(bits()) * UInt64(range) }
        }
        return Int(product >> 32)
    }
}
