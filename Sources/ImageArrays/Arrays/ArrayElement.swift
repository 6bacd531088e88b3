/// The type of an array's elements, as images may have it.
package enum ArrayElement: String, Sendable, CaseIterable {
    case uint8, uint16, int16, float16, float32, float64

    var byteCount: Int {
        switch self {
        case .uint8: 1
        case .uint16, .int16, .float16: 2
        case .float32: 4
        case .float64: 8
        }
    }

    /// Pixels of 16 bits are divided by it, signed or not, so that the same numbers are the same image in both types.
    private static var largest16: Float { 65_535 }

    /// Makes floats of a line of pixels: 16-bit integers in parts of 65535, floats as they are.
    ///
    /// - Parameters:
    ///   - step: bytes from one pixel to the next.
    ///   - target: room for `count` floats.
    /// - Returns: whether all of them are finite.
    func convert(
        _ source: UnsafePointer<UInt8>, step: Int, isBigEndian: Bool, count: Int,
        to target: UnsafeMutablePointer<Float>
    ) -> Bool {
        let source = unsafe UnsafeRawPointer(source)
        switch self {
        case .uint8:
            unsafe Self.each(source, step, isBigEndian, count, target) { (bits: UInt8) in Float(bits) / 255 }
        case .uint16:
            unsafe Self.each(source, step, isBigEndian, count, target) { (bits: UInt16) in Float(bits) / Self.largest16
            }
        case .int16:
            unsafe Self.each(source, step, isBigEndian, count, target) { (bits: Int16) in Float(bits) / Self.largest16 }
        case .float16:
            unsafe Self.each(source, step, isBigEndian, count, target) { Float(Float16(bitPattern: $0)) }
        case .float32:
            unsafe Self.each(source, step, isBigEndian, count, target) { Float(bitPattern: $0) }
        case .float64:
            unsafe Self.each(source, step, isBigEndian, count, target) { Float(Double(bitPattern: $0)) }
        }
        var infinite: UInt32 = 0
        for index in 0..<count { unsafe infinite |= target[index].isFinite ? 0 : 1 }
        return infinite == 0
    }

    @inline(__always)
    private static func each<Bits: FixedWidthInteger & BitwiseCopyable>(
        _ source: UnsafeRawPointer, _ step: Int, _ isBigEndian: Bool, _ count: Int,
        _ target: UnsafeMutablePointer<Float>, _ value: (Bits) -> Float
    ) {
        for index in 0..<count {
            let bits = unsafe source.loadUnaligned(fromByteOffset: index * step, as: Bits.self)
            unsafe target[index] = value(isBigEndian ? Bits(bigEndian: bits) : Bits(littleEndian: bits))
        }
    }
}
