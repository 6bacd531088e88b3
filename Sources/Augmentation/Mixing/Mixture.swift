package import ImageCodecs
package import Tensors

/// What an image gets of another.
package enum Mixture: Hashable, Sendable {
    case none
    /// So much of each pixel stays its own (mixup).
    case blend(own: Double)
    /// A part is the other's (CutMix).
    case patch(CropBox)

    /// The share of its own label, in an image of that size.
    package func share(in size: ImageSize) -> Double {
        switch self {
        case .none: 1
        case .blend(let own): own
        case .patch(let box): 1 - Double(box.size.pixels) / Double(size.pixels)
        }
    }

    /// Gives each of two images what it gets of the other as it was, in place.
    ///
    /// - Parameters:
    ///   - first, second: [1, channels · height · width], planar.
    ///   - toFirst, toSecond: what each gets.
    ///   - size: of both.
    package static func exchange(
        _ first: Matrix, _ toFirst: Mixture, _ second: Matrix, _ toSecond: Mixture, _ size: ImageSize
    ) {
        guard toFirst != .none || toSecond != .none else { return }
        let (a, b) = (toFirst.weights, toSecond.weights)
        first.withMutableElements { x in
            second.withMutableElements { y in
                for line in 0..<x.count / size.width {
                    let (patchA, patchB) = (
                        toFirst.columns(of: line % size.height), toSecond.columns(of: line % size.height)
                    )
                    for column in 0..<size.width {
                        let place = line * size.width + column
                        let (p, q) = (x[place], y[place])
                        x[place] = patchA.contains(column) ? q : p * a.own + q * a.other
                        y[place] = patchB.contains(column) ? p : q * b.own + p * b.other
                    }
                }
            }
        }
    }

    /// Of pixels outside a patch.
    private var weights: (own: Float, other: Float) {
        if case .blend(let own) = self { (Float(own), Float(1 - own)) } else { (1, 0) }
    }

    /// Of a row, those that are in a patch.
    private func columns(of row: Int) -> Range<Int> {
        guard case .patch(let box) = self, row >= box.top && row < box.top + box.height else { return 0..<0 }
        return box.left..<box.left + box.width
    }
}
