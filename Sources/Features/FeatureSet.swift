package import Tensors

/// The features of a data set, of which each rank has those of its own images, which follow one another.
package struct FeatureSet: Sendable {
    package typealias Feature = ImageFeature

    /// [n, D] of this rank.
    package let rows: [Feature: Matrix]
    /// Of this rank's images; nil where images have none.
    package let labels: [Int32]?
    package let classCount: Int?
    /// Images of each rank.
    package let counts: [Int]
    package let rank: Int

    package init(rows: [Feature: Matrix], labels: [Int32]?, classCount: Int?, counts: [Int], rank: Int) {
        self.rows = rows
        self.labels = labels
        self.classCount = classCount
        self.counts = counts
        self.rank = rank
    }

    /// Features of the same images together.
    package init(joining sets: [FeatureSet]) {
        guard let first = sets.first else { preconditionFailure("no features") }
        precondition(sets.allSatisfy { $0.count == first.count })
        let rows = sets.dropFirst().reduce(into: first.rows) { $0.merge($1.rows) { $1 } }
        self.init(
            rows: rows, labels: first.labels, classCount: first.classCount, counts: first.counts, rank: first.rank)
    }

    /// Of all ranks.
    package var count: Int { counts.reduce(0, +) }

    package subscript(feature: Feature) -> Matrix {
        guard let found = rows[feature] else { preconditionFailure("the feature was not extracted") }
        return found
    }

    /// Some of the images, chosen by their number among all.
    package func subset(_ isChosen: (Int) -> Bool) -> FeatureSet {
        let chosen = counts.indices.map { Self.range(of: $0, in: counts).filter(isChosen) }
        let own = chosen[rank].map { $0 - Self.range(of: rank, in: counts).lowerBound }
        return FeatureSet(
            rows: rows.mapValues { $0.selecting(own) }, labels: labels.map { labels in own.map { labels[$0] } },
            classCount: classCount,
            counts: chosen.map(\.count), rank: rank)
    }

    /// Where a rank's images stand among all.
    package static func range(of rank: Int, in counts: [Int]) -> Range<Int> {
        let first = counts[..<rank].reduce(0, +)
        return first..<first + counts[rank]
    }
}

extension Matrix {
    /// These of the rows; the same memory if they are all.
    package func selecting(_ chosen: [Int]) -> Matrix {
        chosen.count < rows ? gathering(chosen) : self
    }

    /// These of the rows, in this order.
    package func gathering(_ chosen: [Int]) -> Matrix {
        guard !chosen.isEmpty else { return Matrix(rows: 0, columns: columns) }
        let result = Matrix(rows: chosen.count, columns: columns)
        Operand(result).gather(
            from: Operand(self), IndexMatrix(rows: 1, columns: chosen.count, values: chosen.map { Int32($0) }))
        return result
    }
}
