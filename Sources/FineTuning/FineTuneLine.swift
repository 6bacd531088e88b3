internal import Classification
internal import Evaluation
internal import Foundation
package import Runs
internal import TrainingRuns

/// One epoch of `log.txt`, keys and units as those of facebookresearch/mae `main_finetune.py`, and a few more.
package struct FineTuneLine: EpochRecord, Equatable {
    package let trainLR: Double
    package let trainLoss: Double
    /// Share of the training images, as they were augmented, whose likeliest class is the one that they mostly are.
    package let trainAcc: Double
    package let trainGradNorm: Double
    package let testLoss: Double
    /// In percent of the test images.
    package let testAcc1: Double
    package let testAcc5: Double
    /// Of the average of the weights; nil, and no key, where there is none.
    package let testLossEMA: Double?
    package let testAcc1EMA: Double?
    package let testAcc5EMA: Double?
    package let epoch: Int
    package let step: Int
    package let imagesPerSecond: Double
    package let parameters: Int

    enum CodingKeys: String, CodingKey {
        case trainLR = "train_lr"
        case trainLoss = "train_loss"
        case trainAcc = "train_acc"
        case trainGradNorm = "train_grad_norm"
        case testLoss = "test_loss"
        case testAcc1 = "test_acc1"
        case testAcc5 = "test_acc5"
        case testLossEMA = "test_loss_ema"
        case testAcc1EMA = "test_acc1_ema"
        case testAcc5EMA = "test_acc5_ema"
        case epoch, step
        case imagesPerSecond = "images_per_second"
        case parameters = "n_parameters"
    }

    init(_ state: FineTuneState, parameters: Int, _ test: TestFigures) {
        let sums = state.metrics
        let steps = Double(max(sums.steps, 1))
        trainLR = sums.learningRate / steps
        trainLoss = sums.figures.crossEntropy / steps
        trainAcc = sums.figures.correct / Double(max(sums.images, 1))
        trainGradNorm = sums.gradientNorm / steps
        testLoss = test.own.crossEntropy
        testAcc1 = 100 * test.own.accuracy.top1
        testAcc5 = 100 * test.own.accuracy.top5
        testLossEMA = test.average?.crossEntropy
        testAcc1EMA = test.average.map { 100 * $0.accuracy.top1 }
        testAcc5EMA = test.average.map { 100 * $0.accuracy.top5 }
        epoch = state.epoch
        step = state.step
        imagesPerSecond = Double(sums.images) / max(sums.seconds, 1e-9)
        self.parameters = parameters
    }
}

extension FineTuneLine {
    package var figures: [ProgressLine.Field] {
        let fields: [ProgressLine.Field?] = [
            .init(String(format: "loss %.4f", trainLoss), rank: 2),
            .init(String(format: "test: top-1 %.2f%%", testAcc1), rank: 1),
            .init(String(format: "top-5 %.2f%%", testAcc5), rank: 5),
            .init(String(format: "loss %.4f", testLoss), rank: 6),
            testAcc1EMA.map { .init(String(format: "average: top-1 %.2f%%", $0), rank: 3) },
        ]
        return fields.compactMap { $0 }
    }

    /// Of whichever of the two is better is the run's.
    package var merit: Double? { max(testAcc1, testAcc1EMA ?? 0) }
}
