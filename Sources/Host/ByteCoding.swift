/// Numbers one after another, little-endian.
package struct ByteWriter {
    package private(set) var bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package mutating func append<Number: FixedWidthInteger>(_ numbers: some Collection<Number>) {
        for number in numbers {
            unsafe withUnsafeBytes(of: number.littleEndian) { unsafe bytes.append(contentsOf: $0) }
        }
    }

    package mutating func append(_ others: [UInt8]) { bytes.append(contentsOf: others) }
}

/// Reads them again. What is asked for has to be there: whoever reads checks the length first.
package struct ByteReader {
    private let source: [UInt8]
    private var position: Int

    package init(_ bytes: [UInt8], at position: Int = 0) {
        source = bytes
        self.position = position
    }

    package mutating func skip(_ count: Int) { position += count }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        defer { position += count }
        return Array(source[position..<position + count])
    }

    package mutating func next<Number: FixedWidthInteger>(_ count: Int) -> [Number] {
        let size = MemoryLayout<Number>.size
        precondition(count >= 0 && count * size <= source.count - position)
        defer { position += count * size }
        return unsafe source.withUnsafeBytes { [position] bytes in
            (0..<count).map { index in
                unsafe Number(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: position + index * size, as: Number.self))
            }
        }
    }

    package mutating func next<Number: FixedWidthInteger>() -> Number { next(1)[0] }
}
