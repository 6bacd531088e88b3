internal import Foundation
internal import Tensors

/// How many patches an image has in each direction.
package struct PatchGrid: Equatable, Sendable {
    package let height: Int
    package let width: Int

    package init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    /// Nil if `count` is not the square of a number.
    init?(squareOf count: Int) {
        let side = Int(Double(count).squareRoot().rounded())
        guard side * side == count else { return nil }
        self.init(height: side, width: side)
    }

    var count: Int { height * width }

    /// Rows of this grid become those of another, each column by bicubic interpolation, as
    /// `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)` does: Keys's kernel with a = -0.75, without
    /// smoothing where the grid shrinks, borders repeated.
    ///
    /// - Parameters:
    ///   - values: [height·width, D], in raster order.
    ///   - result: overwritten, of the other grid's rows.
    func interpolate(_ values: Matrix, to other: PatchGrid, into result: Matrix) {
        precondition(values.rows == count && result.rows == other.count && values.columns == result.columns)
        let vertical = Self.taps(from: height, to: other.height)
        let horizontal = Self.taps(from: width, to: other.width)
        for (row, lines) in vertical.enumerated() {
            for (column, points) in horizontal.enumerated() {
                for index in 0..<values.columns {
                    var sum = 0.0
                    for line in lines {
                        for point in points {
                            sum += line.weight * point.weight * Double(values[line.place * width + point.place, index])
                        }
                    }
                    result[row * other.width + column, index] = Float(sum)
                }
            }
        }
    }

    /// The four neighbours of each new place, and their weights.
    private static func taps(from old: Int, to new: Int) -> [[(place: Int, weight: Double)]] {
        let a = -0.75
        func near(_ x: Double) -> Double { ((a + 2) * x - (a + 3)) * x * x + 1 }
        func far(_ x: Double) -> Double { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
        return (0..<new).map { index in
            let position = (Double(index) + 0.5) * Double(old) / Double(new) - 0.5
            let first = Int(floor(position))
            let t = position - Double(first)
            let weights = [far(t + 1), near(t), near(1 - t), far(2 - t)]
            return weights.enumerated().map { (min(max(first - 1 + $0.offset, 0), old - 1), $0.element) }
        }
    }
}
