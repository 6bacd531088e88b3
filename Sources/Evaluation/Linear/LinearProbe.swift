package import Features
package import Communication
package import Tensors

/// How well a linear classifier on frozen features tells classes: logistic regression, whose penalty is chosen on a tenth
/// of the training images that it does not see, and which is then fitted to all of them.
package struct LinearProbe {
    package struct Result: Equatable, Sendable {
        package let l2: Double
        /// Of the training images held out, by penalty; empty where the penalty was given.
        package let heldOut: [(l2: Double, top1: Double)]
        package let test: ClassificationAccuracy

        package static func == (a: Result, b: Result) -> Bool {
            a.l2 == b.l2 && a.test == b.test && a.heldOut.elementsEqual(b.heldOut, by: ==)
        }
    }

    /// Powers of ten around what features of this kind need.
    package static var usualPenalties: [Double] { [1e-5, 1e-4, 1e-3, 1e-2] }

    /// What most features need, where choosing it would take several times as long.
    package static var fixedPenalty: Double { 1e-4 }

    private let penalties: [Double]

    /// - Parameter penalties: the values of l2 to choose from; one is taken as it is.
    package init(penalties: [Double] = usualPenalties) {
        precondition(!penalties.isEmpty)
        self.penalties = penalties
    }

    /// Collective; every rank returns the same.
    package func run(
        _ feature: ImageFeature, training: FeatureSet, test: FeatureSet,
        in world: any Communicator, _ team: Team
    ) throws -> Result {
        let classes = max(training.classCount ?? 0, test.classCount ?? 0)
        func regression(on images: FeatureSet) throws -> LogisticRegression {
            try LogisticRegression(images, feature, classes: classes, in: world, team)
        }
        var heldOut: [(l2: Double, top1: Double)] = []
        if penalties.count > 1 {
            let (seen, others) = (training.subset { $0 % 10 != 9 }, training.subset { $0 % 10 == 9 })
            let regression = try regression(on: seen)
            for l2 in penalties {
                let accuracy = try ClassificationAccuracy(
                    of: regression.fit(l2: l2), on: others, feature, in: world, team)
                heldOut.append((l2, accuracy.top1))
            }
        }
        // Of equally good ones the largest.
        let best = heldOut.reduce(into: (l2: penalties[0], top1: -1.0)) { if $1.top1 >= $0.top1 { $0 = $1 } }
        let test = try ClassificationAccuracy(
            of: regression(on: training).fit(l2: best.l2), on: test, feature, in: world, team)
        return Result(l2: best.l2, heldOut: heldOut, test: test)
    }
}
