import Tensors

/// Makes inputs that are nearly right from ones that are: where a reader trusts what it reads, they lead it astray.
struct Mutator {
    private let seeds: [[UInt8]]
    private var random: SampleRandom

    /// - Parameter number: of the input; the same gives the same.
    init(_ seeds: [[UInt8]], seed: UInt64, number: Int) {
        precondition(!seeds.isEmpty)
        self.seeds = seeds
        random = SampleRandom(seed: seed, epoch: 0, sample: number, purpose: .shuffle)
    }

    private static var largest: Int { 1 << 16 }

    mutating func next() -> [UInt8] {
        var bytes = seeds[random.integer(below: seeds.count)]
        // What is changed in one place alone gets furthest.
        let changes = random.integer(below: 2) == 0 ? 1 : 2 + random.integer(below: 5)
        for _ in 0..<changes { change(&bytes) }
        return Array(bytes.prefix(Self.largest))
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return bytes.append(UInt8(random.integer(below: 256))) }
        // Headers are at the beginning, and decide most.
        let reach = random.integer(below: 2) == 0 ? min(64, bytes.count) : bytes.count
        let place = random.integer(below: reach)
        switch random.integer(below: 8) {
        case 0: bytes[place] ^= 1 << UInt8(random.integer(below: 8))
        case 1: bytes[place] = UInt8(random.integer(below: 256))
        case 2: write(Self.numbers[random.integer(below: Self.numbers.count)], at: place, in: &bytes)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.integer(below: 40)))
        case 4: bytes.removeLast(bytes.count - place)
        case 5:
            let part = Array(bytes[place..<min(bytes.count, place + 1 + random.integer(below: 40))])
            bytes.insert(contentsOf: part, at: random.integer(below: bytes.count))
        case 6:
            let other = seeds[random.integer(below: seeds.count)]
            guard !other.isEmpty else { return }
            let start = random.integer(below: other.count)
            let count = min(1 + random.integer(below: 60), other.count - start)
            bytes.replaceSubrange(place..<min(bytes.count, place + count), with: other[start..<start + count])
        default: bytes.insert(UInt8(random.integer(below: 256)), at: place)
        }
    }

    /// Lengths and counts at which arithmetic goes wrong.
    private static var numbers: [UInt64] {
        [
            0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
            0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF,
        ]
    }

    /// In one, two, four or eight bytes, in either order.
    private mutating func write(_ number: UInt64, at place: Int, in bytes: inout [UInt8]) {
        let count = 1 << random.integer(below: 4)
        let isBig = random.integer(below: 2) == 0
        for index in 0..<count where place + index < bytes.count {
            bytes[place + index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * (isBig ? count - 1 - index : index)))
        }
    }
}
