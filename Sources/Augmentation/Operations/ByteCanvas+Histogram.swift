internal import ImageCodecs
internal import Tensors

/// Operations that put one byte in the place of another. Source: Pillow `ImageOps.py`.
extension ByteCanvas {
    func invert() {
        for channel in 0..<channels { replace(channel) { 255 - $0 } }
    }

    /// Keeps the first bits of each byte.
    ///
    /// - Parameter bits: 0 ... 8. Pillow 13 refuses 0, with which versions before it make the image black.
    func posterize(bits: Int) {
        let mask = ~((1 << (8 - bits)) - 1)
        for channel in 0..<channels { replace(channel) { $0 & mask } }
    }

    /// Inverts bytes of `threshold` and above.
    func solarize(threshold: Int) {
        for channel in 0..<channels { replace(channel) { $0 < threshold ? $0 : 255 - $0 } }
    }

    /// Makes bytes below 128 larger. Source: timm `auto_augment.py`, `solarize_add`.
    func solarizeAdd(_ amount: Int) {
        for channel in 0..<channels { replace(channel) { $0 < 128 ? $0 + amount : $0 } }
    }

    /// Stretches the range of each channel to that of a byte.
    func autoContrast() {
        for channel in 0..<channels {
            count(channel)
            guard let low = counts.firstIndex(where: { $0 > 0 }), let high = counts.lastIndex(where: { $0 > 0 }),
                high > low
            else { continue }
            let scale = 255 / Double(high - low)
            let offset = Double(-low) * scale
            replace(channel) { Int(Double($0) * scale + offset) }
        }
    }

    /// Makes all bytes of each channel about as frequent.
    func equalize() {
        for channel in 0..<channels {
            count(channel)
            guard let last = counts.last(where: { $0 > 0 }), counts.count(where: { $0 > 0 }) > 1 else { continue }
            let step = (size.pixels - last) / 255
            guard step > 0 else { continue }
            var sum = step / 2
            replace(channel) { byte in
                let new = sum / step
                sum += counts[byte]
                return new
            }
        }
    }
}
