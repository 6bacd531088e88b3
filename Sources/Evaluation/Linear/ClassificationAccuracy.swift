package import Features
package import Communication
package import Tensors

/// How many images a classifier gets right.
package struct ClassificationAccuracy: Equatable, Sendable {
    /// Shares of the images whose class is the likeliest, and one of the five likeliest.
    package let top1: Double
    package let top5: Double

    /// Collective; every rank returns the same.
    ///
    /// - Parameter test: features with labels.
    package init(
        of classifier: LinearClassifier, on test: FeatureSet, _ feature: FeatureSet.Feature,
        in world: any Communicator, _ team: Team
    ) throws {
        guard let labels = test.labels else { preconditionFailure("images need labels") }
        let logits = classifier.logits(of: test[feature], team)
        try self.init(
            places: (0..<logits.rows).map { Self.place(of: Int(labels[$0]), in: logits.rows($0..<$0 + 1)) }, in: world)
    }

    /// Collective; every rank returns the same.
    ///
    /// - Parameter places: of this rank's images, the place of each one's class.
    package init(places: some Sequence<Int>, in world: any Communicator) throws {
        var counts = [0.0, 0.0, 0.0]
        for place in places {
            if place < 1 { counts[0] += 1 }
            if place < 5 { counts[1] += 1 }
            counts[2] += 1
        }
        try world.allReduce(&counts, .sum)
        top1 = counts[0] / max(counts[2], 1)
        top5 = counts[1] / max(counts[2], 1)
    }

    /// Classes that are likelier, or as likely and before it; of what is not a number all others are.
    package static func place(of label: Int, in logits: Matrix) -> Int {
        let own = logits[0, label]
        return (0..<logits.columns).count { index in
            let isBehind = logits[0, index] < own || (logits[0, index] == own && label < index)
            return index != label && !isBehind
        }
    }
}
