import ArgumentParser
import Checkpoints
import Communication
import Foundation
import ImageData
import Logging
import Models
import Tensors
import Training

/// `umae-dist pretrain`, also what runs without a subcommand.
struct PretrainCommand: WorldCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain",
        abstract: "Pretrain a masked autoencoder with the uniformity loss (the default).",
        discussion: """
            Settings come from defaults, then --recipe, then the environment, then flags, the last one winning. \
            SIGUSR1, SIGUSR2 and SIGTERM save a checkpoint at the next step and end the run with exit code 85: run it \
            again with --resume auto.
            """)

    @OptionGroup var options: PretrainOptions

    /// The exit code that says "saved, run me again"; batch scripts requeue on it.
    private static let interruptedExitCode: Int32 = 85

    func run(in world: any Communicator) throws -> Int32 {
        let data = try openData(in: world)
        let element = try options.compute.element(in: world)
        var configuration = try world.agree {
            try options.configuration(ranks: world.size, channels: data.channels, precision: element)
        }
        try world.agreeOnEqual("configurations", ConfigurationText.lines(of: configuration))
        try world.agreeOnEqual("images (CRC-32)", [String(data.fingerprint)])
        try options.compute.checkTimeline(in: world)
        let notices = try world.agree { try options.compatibility.notices() }
        if options.run.printConfig {
            if world.rank == 0 { Console.print(try RecipeText.yaml(of: options, configuration)) }
            return 0
        }
        let team = try options.compute.team(in: world)
        let output = options.run.dryRun ? nil : try openOutput(in: world)
        let reporter = Reporter(
            isSilent: world.rank != 0, isTerminal: Console.isTerminal,
            write: { FileHandle.standardOutput.write(Data($0.utf8)) })
        for notice in notices { reporter.say("note: \(notice)") }
        let resume = try checkpointToResume(output, in: world, reporter)
        if let resume {
            let asked = configuration
            configuration = try world.agree {
                try options.configuration(
                    ranks: world.size, channels: data.channels, precision: element,
                    resuming: resume.state(RunState.self).configuration)
            }
            if configuration.effectiveBatchSize != asked.effectiveBatchSize {
                let images = configuration.effectiveBatchSize / world.size / configuration.accumulation
                reporter.say(
                    "note: the effective batch stays \(configuration.effectiveBatchSize): \(world.size) ranks × "
                        + "\(configuration.accumulation) micro-batches of \(images)")
            }
        }
        let prefetch = min(max(options.data.numWorkers, 0), 8)
        let plan = try Pretraining.plan(
            configuration, source: data, saves: options.run.outputDir != "", prefetch: prefetch,
            recomputesActivations: options.compute.recomputeActivations, communicator: world, team: team)
        for notice in try ProcessorAffinity.notices(threads: team.count, in: world) { reporter.say("note: \(notice)") }
        try world.agree { try output?.write(RecipeText.yaml(of: options, configuration) + "\n", to: "config.yaml") }
        let run = try Pretraining(
            configuration, source: data, statistics: try world.agree { try ChannelStatistics(of: data) },
            output: output, resume: resume, prefetch: prefetch,
            recomputesActivations: options.compute.recomputeActivations, timelinePath: options.compute.timeline,
            communicator: world, team: team,
            reporter: reporter)
        let summary = RunSummary(
            run: run, data: data, threads: team.count, ranks: world.size, output: output, resume: resume)
        reporter.say(summary.opening)
        if options.run.dryRun {
            let place = world.size > 1 ? "memory of rank 0, which has what the others have and may save" : "memory"
            reporter.say(place + "\n" + MemoryReport.lines(plan).joined(separator: "\n"))
            return 0
        }
        StopRequest.listen()
        try options.compute.watchForStalls(in: world)
        let ending = try run.run()
        try run.writeTimeline()
        switch ending {
        case .finished:
            reporter.say(summary.closing(epochs: reporter.epochs))
            return 0
        case .interrupted:
            reporter.say("stopped by a signal at step \(run.updates); go on with --resume auto")
            return Self.interruptedExitCode
        }
    }

    private func openData(in world: any Communicator) throws -> any ImageSource {
        try world.agree {
            let model = try options.model.configuration()
            try model.validate()
            let synthetic = SyntheticImageParameters(
                count: options.data.syntheticImages, channels: model.channels,
                size: ImageData.ImageSize(height: model.imageHeight, width: model.imageWidth), seed: options.run.seed)
            let data = try ImageDataset.open(path: options.data.dataPath, split: .train, synthetic: synthetic)
            if let images = options.data.images, images != data.count {
                throw ModelError(
                    "--images is \(images), and \(options.data.dataPath) has \(data.count): is it the data meant?")
            }
            return data
        }
    }

    /// Rank 0 makes the run directory, and alone has one; the others learn whether it could.
    private func openOutput(in world: any Communicator) throws -> RunDirectory? {
        let chosen = options.run.outputDir ?? Self.freshName(options.model.model)
        let path = String(decoding: try world.allGather(Array(chosen.utf8))[0], as: UTF8.self)
        guard !path.isEmpty else { return nil }
        return try world.agree {
            guard options.run.keepCheckpoints >= 1 && options.run.checkpointEvery >= 1 && options.run.keepEvery >= 0
            else {
                throw ModelError(
                    "--keep-checkpoints and --checkpoint-every must be at least 1, --keep-every at least 0")
            }
            guard world.rank == 0 else { return nil }
            let output = try RunDirectory(
                path: path, keep: options.run.keepCheckpoints, keepEvery: options.run.keepEvery,
                checkpointEvery: options.run.checkpointEvery)
            if options.run.resume.isEmpty, try output.hasCheckpoints() {
                throw ModelError(
                    "\(path) already holds a run: go on with --resume auto, or choose another --output-dir")
            }
            return output
        }
    }

    private static func freshName(_ model: String) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyyMMdd-HHmmss"
        return "runs/\(formatter.string(from: Date()))-\(model)"
    }

    /// Rank 0 finds the checkpoint; all ranks read it.
    private func checkpointToResume(
        _ output: RunDirectory?, in world: any Communicator, _ reporter: Reporter
    ) throws -> Checkpoint? {
        guard !options.run.resume.isEmpty else { return nil }
        let found = try world.agree { () -> Checkpoint? in
            guard world.rank == 0 else { return nil }
            if options.run.resume == "auto" {
                guard let output else {
                    guard let path = options.run.outputDir, !path.isEmpty else {
                        throw ModelError("--resume auto needs --output-dir")
                    }
                    return try CheckpointStore.open(path) { reporter.say("note: \($0)") }
                }
                if let latest = try output.latest(reportingDamaged: { reporter.say("note: \($0)") }) { return latest }
                guard try !output.hasCheckpoints() else {
                    throw ModelError(
                        "\(output.path) holds no undamaged checkpoint: to begin anew, move it away or choose another "
                            + "--output-dir")
                }
                return nil
            }
            return try CheckpointStore.open(options.run.resume) { reporter.say("note: \($0)") }
        }
        let path = String(decoding: try world.allGather(Array((found?.path ?? "").utf8))[0], as: UTF8.self)
        guard !path.isEmpty else { return nil }
        return try world.agree { try CheckpointStore.open(path) { _ in } }
    }
}
