internal import Foundation
package import Runs
internal import TrainingRuns

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
    /// Mean cosine between the class features of two views of an image; nil, and no key, where each has one.
    package let alignment: Double?
    /// Shares of the test images that the features classify right, by neighbours and linearly; nil, and no key, for an epoch
    /// after which that was not looked at.
    package let testKNN: Double?
    package let testLinear: Double?
    /// RankMe of the features of the test images, likewise.
    package let testRankMe: Double?

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
        case alignment
        case testKNN = "test_knn"
        case testLinear = "test_linear"
        case testRankMe = "test_rankme"
    }

    init(_ state: PretrainState, hasClassifier: Bool, heldOut: HeldOutFigures?) {
        let sums = state.metrics
        let figures = sums.figures
        let steps = Double(max(sums.steps, 1))
        let loss = state.configuration.loss
        let regularizer = figures.regularizer / steps
        trainLR = sums.learningRate / steps
        trainLossMAE = figures.reconstruction / steps
        trainLossReg = regularizer
        trainLoss = trainLossMAE + loss.weight * regularizer
        trainLossCE = hasClassifier ? figures.crossEntropy / steps : nil
        trainAcc = hasClassifier ? figures.correct / Double(max(sums.images, 1)) : nil
        trainGradNorm = sums.gradientNorm / steps
        epoch = state.epoch
        step = state.step
        imagesPerSecond = Double(sums.images) / max(sums.seconds, 1e-9)
        // JSON has no infinity, and features that are all zero spread over no dimension.
        effectiveRank = figures.inverseEffectiveRank > 0 ? steps / figures.inverseEffectiveRank : 0
        alignment = loss.masksPerImage > 1 ? figures.alignment / steps : nil
        testKNN = heldOut?.neighbors
        testLinear = heldOut?.linear
        testRankMe = heldOut?.rankMe
    }
}

extension LogLine {
    package var figures: [ProgressLine.Field] {
        let fields: [ProgressLine.Field?] = [
            .init(String(format: "loss %.4f", trainLoss), rank: 1),
            .init(String(format: "mae %.4f", trainLossMAE), rank: 5),
            .init(String(format: "reg %.4f", trainLossReg), rank: 6),
            trainAcc.map { .init(String(format: "online accuracy %.1f%%", 100 * $0), rank: 3) },
            .init(String(format: "effective rank %.1f", effectiveRank), rank: 2),
            alignment.map { .init(String(format: "alignment %.2f", $0), rank: 8) },
            testLinear.map { .init(String(format: "test: linear %.1f%%", 100 * $0), rank: 9) },
            testKNN.map { .init(String(format: "k-NN %.1f%%", 100 * $0), rank: 10) },
            testRankMe.map { .init(String(format: "RankMe %.1f", $0), rank: 11) },
        ]
        return fields.compactMap { $0 }
    }
}
