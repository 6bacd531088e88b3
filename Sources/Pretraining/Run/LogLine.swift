internal import Runs

/// One epoch of `log.txt`: means over the epoch's steps, keys in the manner of facebookresearch/mae and U-MAE.
package struct LogLine: EpochRecord, Equatable {
    package let trainLR: Double
    /// Reconstruction + λ · regulariser.
    package let trainLoss: Double
    package let trainLossMAE: Double
    package let trainLossReg: Double
    /// The online classifier's cross-entropy and accuracy; nil, and no key, where images have no labels.
    package let trainLossCE: Double?
    package let trainAcc: Double?
    package let trainGradNorm: Double
    package let epoch: Int
    package let step: Int
    package let imagesPerSecond: Double
    /// The participation ratio of the class features, trace² / ‖ZᵀZ‖²: how many dimensions they spread over.
    package let effectiveRank: Double

    enum CodingKeys: String, CodingKey {
        case trainLR = "train_lr"
        case trainLoss = "train_loss"
        case trainLossMAE = "train_loss_mae"
        case trainLossReg = "train_loss_reg"
        case trainLossCE = "train_loss_ce"
        case trainAcc = "train_acc"
        case trainGradNorm = "train_grad_norm"
        case epoch, step
        case imagesPerSecond = "images_per_second"
        case effectiveRank = "effective_rank"
    }

    init(_ state: RunState, hasClassifier: Bool) {
        let sums = state.metrics
        let steps = Double(max(sums.steps, 1))
        let loss = state.configuration.loss
        trainLR = sums.learningRate / steps
        trainLossMAE = sums.reconstruction / steps
        trainLossReg = sums.regularizer / steps
        trainLoss = trainLossMAE + loss.weight * trainLossReg
        trainLossCE = hasClassifier ? sums.crossEntropy / steps : nil
        trainAcc = hasClassifier ? sums.correct / Double(max(sums.images, 1)) : nil
        trainGradNorm = sums.gradientNorm / steps
        epoch = state.epoch
        step = state.step
        imagesPerSecond = Double(sums.images) / max(sums.seconds, 1e-9)
        // JSON has no infinity, and features that are all zero spread over no dimension.
        effectiveRank = sums.inverseEffectiveRank > 0 ? steps / sums.inverseEffectiveRank : 0
    }
}
