internal import DataParallel

/// Numbers that ranks and micro-batches add up.
package protocol SummedFigures: Sendable {
    init()

    /// Calls `body` with each number and that of `other` which belongs to it, always in the same order.
    mutating func combine(with other: Self, _ body: (inout Double, Double) -> Void)
}

extension SummedFigures {
    /// How many numbers these are.
    static var count: Int {
        var count = 0
        var figures = Self()
        figures.combine(with: Self()) { _, _ in count += 1 }
        return count
    }

    package static func += (sum: inout Self, other: Self) { sum.combine(with: other) { $0 += $1 } }

    package static func + (first: Self, second: Self) -> Self {
        var sum = first
        sum += second
        return sum
    }

    /// Adds up in the tree in which gradients are added.
    static func sum(_ shares: [Self]) -> Self { GradientTree.sum(shares, +) ?? Self() }

    /// Adds up those of all ranks in one message. Collective.
    ///
    /// - Parameters:
    ///   - buffer: memory for the message.
    ///   - sum: adds up over ranks.
    mutating func sumOverRanks(in buffer: inout [Double], by sum: (inout [Double]) throws -> Void) rethrows {
        buffer.removeAll(keepingCapacity: true)
        combine(with: self) { buffer.append($1) }
        try sum(&buffer)
        var index = 0
        combine(with: self) { own, _ in
            own = buffer[index]
            index += 1
        }
    }
}

/// What a step reports of its losses, each figure a share of this rank and micro-batch: their sums over all of them are, once
/// the objective has normalized them, the figures of the global batch.
package protocol StepFigures: SummedFigures {
    /// Calls `body` with each figure that must be finite, and what it is called.
    func forEachLoss(_ body: (_ name: String, _ value: Double) -> Void)
}

extension StepFigures {
    var areFinite: Bool {
        var areFinite = true
        forEachLoss { areFinite = areFinite && $1.isFinite }
        return areFinite
    }
}
