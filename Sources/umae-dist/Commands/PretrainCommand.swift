import ArgumentParser
import Checkpoints
import Communication
import Foundation
import Host
import ImageData
import Models
import Settings
import Tensors
import Pretraining
import Runs

/// `umae-dist pretrain`, also what runs without a subcommand.
struct PretrainCommand: WorldCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain",
        abstract: "Pretrain a masked autoencoder with the uniformity loss (the default).",
        discussion: """
            Settings come from defaults, then the run that --resume goes on with, then --recipe, then the environment \
            (UMAE_BATCH_SIZE=64), then flags, the last one winning. 'none' takes back what need not be given \
            (--clip-grad none), --no-NAME a switch. UMAE_MAX_ISA=avx512_bf16|avx512|avx2|baseline limits the kernels. \
            SIGUSR1, SIGUSR2, SIGTERM, SIGHUP and Ctrl-C save a checkpoint at the next step and end the run with exit \
            code 85: run it again with --resume auto. Other exit codes: 0 done, 1 failed, 64 can never work as it is \
            asked for.
            """)

    @OptionGroup var options: PretrainOptions

    static var savesOnSignals: Bool { true }
    static var alternatives: [[String]] { PretrainOptions.alternatives }
    static var notInherited: Set<String> { PretrainOptions.besides.union(PretrainOptions.ofTheMachine) }

    /// Everything is looked at before anything is changed: up to the line that says so, `--dry-run` goes the same way.
    func run(in world: any Communicator) throws -> Int32 {
        if options.run.printConfig { return try printConfiguration(in: world) }
        let data = try openData(in: world)
        let element = try options.compute.element(in: world)
        var configuration = try world.agree {
            try options.configuration(ranks: world.size, channels: data.channels, precision: element)
        }
        try world.agreeOnEqual("configurations", configuration.settings.map(\.line))
        try world.agreeOnEqual("images", ["\(data.identity)"])
        let notices = try world.agree { try options.compatibility.notices() }
        let reporter = Reporter(
            isSilent: world.rank != 0, isTerminal: Console.isTerminal, width: { Console.width },
            write: { text in world.during(.printing) { Console.write(text) } })
        for notice in notices { reporter.say("note: \(notice)") }
        if data.classCount == nil { reporter.say("note: no labels: no online classifier") }

        let place = RunPlace(options.run, model: options.model.model)
        if world.rank == 0 { StopRequest.announce(saves: place.isKept && !options.run.dryRun) }
        try options.compute.checkTimeline(in: world, besides: options.run.outputDir)
        try world.agree { if world.rank == 0 { try place.examineOwner() } }
        let resume = try checkpointToResume(in: world, reporter)
        if let resume {
            guard let resumed = try settings(configuration, resuming: resume, on: data, in: world, reporter) else {
                return ExitCode.done
            }
            configuration = resumed
        }
        try world.agree { if world.rank == 0 { try place.examine(resume: resume) } }
        let team = try options.compute.team(in: world)
        let plan = try PretrainRun.plan(
            configuration, source: data, saves: place.isKept, prefetch: options.data.numWorkers,
            recomputesActivations: options.compute.recomputeActivations, communicator: world, team: team)
        for notice in try ProcessorAffinity.notices(threads: team.count, in: world) { reporter.say("note: \(notice)") }
        if try StopRequest.isPending(on: world) {
            return stopped(reporter, place.isKept, options.run.outputDir, step: 0)
        }

        let statistics = try configuration.statistics(of: data, in: world)
        let run = try PretrainRun(
            configuration, source: data, statistics: statistics, saves: place.isKept, resume: resume,
            prefetch: options.data.numWorkers,
            recomputesActivations: options.compute.recomputeActivations, timelinePath: options.compute.timeline,
            communicator: world, team: team, reporter: reporter)
        var summary = RunSummary(
            run: run, data: data, threads: team.count, ranks: world.size, hosts: world.hostLayout,
            directory: place.path, resume: resume, origins: options.data.originsOfStatistics(configuration))
        if options.run.dryRun {
            reporter.say(lines: summary.opening)
            let saving = world.size > 1 && place.isKept ? " (saving: of rank 0 alone)" : ""
            reporter.say("memory of each rank\(saving)\n" + MemoryReport.lines(plan).joined(separator: "\n"))
            return ExitCode.done
        }

        // Nothing has been changed up to here.
        let output = try take(place, resume: resume, in: world)
        if let output { summary.directory = output.path }
        reporter.say(lines: summary.opening)
        try world.agree {
            guard let output else { return }
            try output.begin(epoch: run.epoch, step: run.updates) { reporter.say("note: \($0)") }
            let settings = String(options.recipe(of: run.configuration).dropLast())
            try output.write(settings: settings, remarks: remarks(world)) { reporter.say("note: \($0)") }
        }
        try options.compute.watchForStalls(in: world)
        let ending = try run.run(in: output, savingEvery: options.run.checkpointEvery)
        writeTimeline(of: run, reporter)
        switch ending {
        case .finished:
            reporter.say(lines: summary.closing(epochs: reporter.epochs).components(separatedBy: "\n"))
            return ExitCode.done
        case .interrupted: return stopped(reporter, place.isKept, output?.path, step: run.updates)
        }
    }

    /// The settings under which a run goes on from a checkpoint, with a note for each that has changed; nil, said too, if
    /// that run is finished. Collective.
    private func settings(
        _ asked: PretrainConfiguration, resuming checkpoint: Checkpoint, on data: any ImageSource,
        in world: any Communicator, _ reporter: Reporter
    ) throws -> PretrainConfiguration? {
        let saved = try world.agree { try RunState(of: checkpoint) }
        let configuration = try world.agree {
            let configuration = try options.configuration(
                ranks: world.size, channels: data.channels, precision: asked.precision, resuming: saved.configuration)
            try saved.checkResuming(by: configuration, on: data, path: checkpoint.path)
            return configuration
        }
        if saved.epoch >= configuration.epochs {
            reporter.say(
                "nothing to do: \(checkpoint.path) is of a finished run of \(saved.epoch) epochs; raise --epochs to train on"
            )
            return nil
        }
        for difference in configuration.differences(from: saved.configuration) { reporter.say("note: \(difference)") }
        if configuration.effectiveBatchSize != asked.effectiveBatchSize {
            let images = configuration.effectiveBatchSize / world.size / configuration.accumulation
            reporter.say(
                "note: the effective batch stays \(configuration.effectiveBatchSize): \(world.size) ranks × "
                    + "\(configuration.accumulation) micro-batches of \(images)")
        }
        return configuration
    }

    /// Rank 0 takes the place; nil on the others, and where nothing is kept. Collective.
    private func take(_ place: RunPlace, resume: Checkpoint?, in world: any Communicator) throws -> RunDirectory? {
        try world.agree {
            guard world.rank == 0 else { return nil }
            return try place.take(
                RunDirectory.Retention(keep: options.run.keepCheckpoints, keepEvery: options.run.keepEvery),
                resume: resume)
        }
    }

    /// Says that a signal was obeyed, and how to go on.
    private func stopped(_ reporter: Reporter, _ isKept: Bool, _ directory: String?, step: Int) -> Int32 {
        let moment = step == 0 ? "before the first step" : "at step \(step)"
        guard isKept else {
            reporter.say("stopped by a signal \(moment); nothing is kept, since --output-dir is empty")
            return ExitCode.failed
        }
        let remedy = directory.map { "go on with --output-dir \($0) --resume auto" } ?? "run it again"
        reporter.say("stopped by a signal \(moment); \(remedy)")
        return ExitCode.savedForRestart
    }

    /// A picture of the run is no part of its result: what cannot be written is said. Collective.
    private func writeTimeline(of run: PretrainRun, _ reporter: Reporter) {
        do { try run.writeTimeline() } catch {
            reporter.say("note: there is no timeline: \(error)")
        }
    }

    /// What the settings do not say of a run, a line each.
    private func remarks(_ world: any Communicator) -> [String] {
        let host = HostName.current
        return [
            "Begun \(Date().formatted(.iso8601)) on \(host), \(world.size) rank\(world.size == 1 ? "" : "s"), by"
        ] + VersionText.text.split(separator: "\n").map { "  \($0)" }
    }

    /// Prints the settings as a recipe, with every check that needs neither the images nor this machine: channels and the
    /// number of images stay as they were given. Collective.
    private func printConfiguration(in world: any Communicator) throws -> Int32 {
        let recipe = try world.agree {
            _ = try options.compatibility.notices()
            let channels = try options.model.configuration().channels
            return options.recipe(
                of: try options.configuration(ranks: world.size, channels: channels, precision: .float32))
        }
        try world.agreeOnEqual("settings", [recipe])
        if world.rank == 0 { Console.print(String(recipe.dropLast())) }
        return ExitCode.done
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
                throw SettingsError(
                    "--images is \(images), and \(options.data.dataPath) has \(data.count): is it the data meant?")
            }
            try options.data.checkStatistics(channels: data.channels)
            return data
        }
    }

    /// Rank 0 finds the checkpoint; all ranks read it.
    private func checkpointToResume(in world: any Communicator, _ reporter: Reporter) throws -> Checkpoint? {
        guard !options.run.resume.isEmpty else { return nil }
        let found = try world.agree { () -> Checkpoint? in
            guard world.rank == 0 else { return nil }
            return try options.run.checkpointToResume { reporter.say("note: \($0)") }
        }
        let path = String(decoding: try world.allGather(Array((found?.path ?? "").utf8))[0], as: UTF8.self)
        guard !path.isEmpty else { return nil }
        return try world.agree { try CheckpointStore.open(path) { _ in } }
    }
}
