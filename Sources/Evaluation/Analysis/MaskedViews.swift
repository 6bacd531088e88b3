internal import Features
internal import Communication
internal import Models
internal import Tensors

/// How alike the features behind two masks of one image are.
enum ViewAlignment {
    /// The mean cosine. Collective; every rank returns the same.
    ///
    /// - Parameters:
    ///   - first, second: features of the same images, each through a mask of its own.
    static func mean(
        _ first: FeatureSet, _ second: FeatureSet, _ feature: ImageFeature, in world: any Communicator, _ team: Team
    ) throws -> Double {
        let (a, b) = (first[feature].normalizedRows(by: team), second[feature].normalizedRows(by: team))
        precondition(a.rows == b.rows)
        var sums = [0.0, Double(a.rows)]
        for row in 0..<a.rows {
            for column in 0..<a.columns { sums[0] += Double(a[row, column]) * Double(b[row, column]) }
        }
        try world.allReduce(&sums, .sum)
        return sums[0] / max(sums[1], 1)
    }
}

extension RandomMasking {
    /// The patches that both of two masks of an image keep, over those that at least one of them keeps, on average over
    /// images: how much two views share.
    ///
    /// - Parameter images: the numbers of images in their data set.
    static func overlap(
        of configuration: MaskedAutoencoderConfiguration, images: [Int]
    ) -> Double {
        let plan = MemoryPlan()
        let masks = [0, 1].map { view in
            let masking = RandomMasking(images: max(images.count, 1), configuration: configuration, plan: plan)
            let samples = MatrixView<Int>(rows: max(images.count, 1), columns: 1)
            for (row, image) in images.enumerated() { samples[row, 0] = image }
            masking.draw(seed: 0, epoch: view, samples: samples)
            return masking
        }
        var total = 0.0
        for row in images.indices {
            var (both, either) = (0.0, 0.0)
            for patch in 0..<masks[0].mask.columns {
                let kept = masks.count { $0.mask[row, patch] == 0 }
                if kept == 2 { both += 1 }
                if kept > 0 { either += 1 }
            }
            total += both / max(either, 1)
        }
        return total / Double(max(images.count, 1))
    }
}
