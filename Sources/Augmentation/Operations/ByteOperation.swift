internal import ImageCodecs

/// What can be done to the bytes of an image, by how much.
package enum ByteOperation: Hashable, Sendable {
    case autoContrast, equalize, invert
    /// Keeps so many bits.
    case posterize(bits: Int)
    /// Inverts bytes from a threshold on.
    case solarize(threshold: Int)
    /// Adds to bytes below 128.
    case solarizeAdd(Int)
    /// Counter-clockwise, in degrees.
    case rotate(Double)
    /// By so much of the distance from the left or upper border.
    case shearX(Double), shearY(Double)
    /// By so much of width or height.
    case translateX(Double), translateY(Double)
    /// Factors: 1 changes nothing.
    case color(Double), contrast(Double), brightness(Double), sharpness(Double)
}

extension ByteCanvas {
    /// - Parameter fill: what pixels have that come from outside the image, by channel.
    package func apply(_ operation: ByteOperation, fill: [UInt8]) {
        switch operation {
        case .autoContrast: autoContrast()
        case .equalize: equalize()
        case .invert: invert()
        case .posterize(let bits): posterize(bits: bits)
        case .solarize(let threshold): solarize(threshold: threshold)
        case .solarizeAdd(let amount): solarizeAdd(amount)
        case .rotate(let degrees):
            if let map = AffineMap.rotation(degrees: degrees, in: size) { transform(map, fill: fill) }
        case .shearX(let factor): transform(AffineMap(b: factor), fill: fill)
        case .shearY(let factor): transform(AffineMap(d: factor), fill: fill)
        case .translateX(let part): transform(AffineMap(c: part * Double(size.width)), fill: fill)
        case .translateY(let part): transform(AffineMap(f: part * Double(size.height)), fill: fill)
        case .color(let factor): enhanceColor(Float(factor))
        case .contrast(let factor): enhanceContrast(Float(factor))
        case .brightness(let factor): enhanceBrightness(Float(factor))
        case .sharpness(let factor): enhanceSharpness(Float(factor))
        }
    }
}
