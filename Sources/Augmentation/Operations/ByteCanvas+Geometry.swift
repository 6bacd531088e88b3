internal import ImageCodecs
internal import Tensors

/// Operations that move pixels. Source: Pillow `src/libImaging/Geometry.c`, `ImagingTransformAffine` with bicubic
/// interpolation, whose kernel has a = -1 there.
extension ByteCanvas {
    /// - Parameter fill: what pixels have whose place is not in the image, by channel.
    func transform(_ map: AffineMap, fill: [UInt8]) {
        let (height, width) = (size.height, size.width)
        redraw { channel, old, new in
            for row in 0..<height {
                let y = Double(row) + 0.5
                for column in 0..<width {
                    let x = Double(column) + 0.5
                    let (fromX, fromY) = (map.a * x + map.b * y + map.c, map.d * x + map.e * y + map.f)
                    let lies = fromX >= 0 && fromX < Double(width) && fromY >= 0 && fromY < Double(height)
                    new[row * width + column] = lies ? interpolate(old, x: fromX, y: fromY) : fill[channel]
                }
            }
        }
    }

    /// The value at a place within a plane, whose pixels have their middles at halves.
    private func interpolate(_ plane: Span<UInt8>, x: Double, y: Double) -> UInt8 {
        let (width, height) = (size.width, size.height)
        let (left, top) = ((x - 0.5).rounded(.down), (y - 0.5).rounded(.down))
        let (dx, dy) = (x - 0.5 - left, y - 0.5 - top)
        let (column, row) = (Int(left), Int(top))
        // Beyond the border are the pixels of the border.
        let columns = (max(column - 1, 0), max(column, 0), min(column + 1, width - 1), min(column + 2, width - 1))
        let v1 = Self.cubic(plane, from: max(row - 1, 0) * width, columns, dx)
        let v2 = Self.cubic(plane, from: max(row, 0) * width, columns, dx)
        let v3 = Self.cubic(plane, from: min(row + 1, height - 1) * width, columns, dx)
        let v4 = Self.cubic(plane, from: min(row + 2, height - 1) * width, columns, dx)
        return UInt8(min(max(Self.cubic(v1, v2, v3, v4, dy), 0), 255))
    }

    /// Within the line that begins at `first`.
    private static func cubic(
        _ plane: Span<UInt8>, from first: Int, _ columns: (Int, Int, Int, Int), _ d: Double
    ) -> Double {
        cubic(
            Double(plane[first + columns.0]), Double(plane[first + columns.1]), Double(plane[first + columns.2]),
            Double(plane[first + columns.3]), d)
    }

    /// Between the second and the third of four values. The order of operations is Pillow's: another one rounds differently,
    /// and what is just below a whole number is cut off.
    private static func cubic(_ v1: Double, _ v2: Double, _ v3: Double, _ v4: Double, _ d: Double) -> Double {
        let p2 = -v1 + v3
        let p3 = 2 * (v1 - v2) + v3 - v4
        let p4 = -v1 + v2 - v3 + v4
        return v2 + d * (p2 + d * (p3 + d * p4))
    }
}
