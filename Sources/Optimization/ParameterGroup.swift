/// Contiguous parameters that are updated alike.
package struct ParameterGroup: Equatable, Sendable {
    package var range: Range<Int>
    /// Whether weight decay applies.
    package var decays: Bool
    /// Factor of the learning rate, as layers of a fine-tuned model have theirs.
    package var rateScale: Double

    package init(_ range: Range<Int>, decays: Bool, rateScale: Double = 1) {
        self.range = range
        self.decays = decays
        self.rateScale = rateScale
    }

    /// Joins neighbours that are updated alike.
    ///
    /// - Parameter tensors: in order and without gaps, from 0 to `count`.
    static func joined(_ tensors: [ParameterGroup], count: Int) -> [ParameterGroup] {
        var groups: [ParameterGroup] = []
        var end = 0
        for tensor in tensors {
            precondition(tensor.range.lowerBound == end, "tensors are not contiguous")
            end = tensor.range.upperBound
            if let last = groups.last, last.decays == tensor.decays, last.rateScale == tensor.rateScale {
                groups[groups.count - 1].range = last.range.lowerBound..<end
            } else {
                groups.append(tensor)
            }
        }
        precondition(end == count, "tensors do not cover the parameters")
        return groups
    }
}

/// timm's rule for weight decay: none on tensors of one dimension, nor on biases.
package func weightDecays(name: String, shape: [Int]) -> Bool { shape.count > 1 && !name.hasSuffix(".bias") }
