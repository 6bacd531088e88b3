import ArgumentParser
import Commands
import Communication
import Measurement
import Models
import Optimization
import Options
import Pretraining
import Runs
import Settings
import TrainingRuns

/// `umae-dist debug`: one pass over a given batch, or a check of everything that can be checked without one.
struct DebugCommand: WorldCommand {
    static let configuration = CommandConfiguration(
        commandName: "debug",
        abstract: "Run one step on a given batch and dump it, or check gradients, shapes and memory.",
        discussion: """
            With --weights, --batch and --dump (safetensors files) it writes losses, predictions, mask, latent, \
            features and every gradient of the total loss. W has facebookresearch/mae's tensor names; B has images \
            [N, C, H, W], normalised, and noise [N, L]. Under mpirun the batch is split over the ranks and the dump \
            is the same to rounding. Without files it initialises the model, checks its gradients by finite differences on a \
            small random batch, and prints shapes, statistics and memory.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Losses") var loss: LossOptions
    @OptionGroup(title: "Messages, with files") var exchange: ExchangeOptions
    @OptionGroup(title: "Computation") var compute: DebugComputeOptions

    @Option(help: "Weights to load (safetensors).") var weights: String?
    @Option(help: "Batch to run: images [N, C, H, W] and noise [N, L] (safetensors).") var batch: String?
    @Option(help: "File to write losses, outputs and gradients to (safetensors).") var dump: String?
    @Option(
        help: """
            Also make one AdamW update with this learning rate, and dump the weights after it as updated.NAME.
            """)
    var lr: Double?
    @Option(help: "AdamW weight decay of that update (default: 0.05).") var weightDecay: Double?
    @Option(help: "Micro-batches that each rank's part of the batch is divided into.") var accumIter = 1
    @Option(help: "Images of the random batch, over all ranks, when no files are given (default: 8).")
    var batchSize: Int?
    @Option(help: "Seed of the weights and the random batch when no files are given (default: 0).") var seed: UInt64?

    func validate() throws {
        let files = [weights, batch, dump].compactMap { $0 }
        guard files.isEmpty || files.count == 3 else {
            throw ValidationError("--weights, --batch and --dump belong together: give all three or none.")
        }
        try Bounds.check("--accum-iter", accumIter, 1...1 << 20)
        try Bounds.check("--batch-size", batchSize, 1...1 << 20)
        try Bounds.check("--lr", lr, .atLeast(0))
        try Bounds.check("--weight-decay", weightDecay, .atLeast(0))
        if let flag = files.isEmpty ? flagOfFiles : flagOfRandomBatch {
            throw ValidationError(
                files.isEmpty
                    ? "\(flag) needs files to act on: give --weights, --batch and --dump, or leave it out."
                    : "\(flag) is of the random batch, and files are given: leave it out.")
        }
        guard weightDecay == nil || lr != nil else {
            throw ValidationError("--weight-decay is of the update that --lr makes: give --lr too.")
        }
    }

    /// The first flag given that only a run with files obeys.
    private var flagOfFiles: String? {
        if accumIter != 1 { return "--accum-iter" }
        if lr != nil { return "--lr" }
        if weightDecay != nil { return "--weight-decay" }
        return FlagValue.changed(in: exchange).first.map { "--\($0.flag)" }
    }

    private var flagOfRandomBatch: String? {
        batchSize != nil ? "--batch-size" : seed != nil ? "--seed" : nil
    }

    func run(in world: any Communicator) throws -> Int32 {
        let (configuration, losses) = try world.agree {
            let configuration = try model.configuration()
            try configuration.validate()
            var losses = loss.configuration()
            exchange.adjust(&losses)
            return (configuration, losses)
        }
        try world.agreeOnEqual("models", ModelOptions.settings(of: configuration).map(\.line))
        try world.agreeOnEqual("losses", LossOptions.settings(of: losses).map(\.line))
        if weights == nil, let obstacle = compute.obstacleToFiniteDifferences { throw SettingsError(obstacle) }
        let element = try ComputeOptions.element(compute.precision ?? .fp32, in: world)
        let team = try ComputeOptions.team(threads: compute.threads, in: world)
        if let weights, let batch, let dump {
            try world.agree { if world.rank == 0 { try DebugDump.examine(dump: dump, inputs: [weights, batch]) } }
            var step = StepConfiguration()
            (step.model, step.loss, step.precision) = (configuration, losses, element)
            step.accumulation = try world.agree { try exchange.accumulation(accumIter, ranks: world.size) }
            step.gradientExchange = exchange.configuration()
            step.optimizer.weightDecay = weightDecay ?? step.optimizer.weightDecay
            let result = try DebugDump(
                step, weightsPath: weights, batchPath: batch, dumpPath: dump,
                recomputesActivations: compute.recomputeActivations, learningRate: lr
            ).run(on: RankResources(world, team))
            if world.rank == 0 {
                Console.print(
                    "loss \(result.total)  loss_mae \(result.reconstruction)  loss_reg \(result.regularizer)\n"
                        + "wrote \(dump)")
            }
            return 0
        }
        let report = try DebugReport(
            model: configuration, loss: losses, images: batchSize ?? 8, seed: seed ?? 0,
            recomputesActivations: compute.recomputeActivations
        ).run(on: RankResources(world, team))
        if world.rank == 0 { Console.print(report.text) }
        return report.passed ? 0 : 1
    }
}
