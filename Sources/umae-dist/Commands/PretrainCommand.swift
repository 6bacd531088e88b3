import ArgumentParser
import Checkpoints
import Commands
import Communication
import Foundation
import Evaluation
import Host
import ImageCodecs
import ImageData
import ImageSources
import Models
import Options
import Pretraining
import Runs
import Settings
import Tensors
import TrainingRuns

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
        let data = try images(in: world)
        let asked = try configuration(on: data, in: world)
        let notices = try world.agree { try options.compatibility.notices() }
        let reporter = Reporter(in: world)
        for notice in notices { reporter.note(notice) }
        if data.classCount == nil { reporter.note("no labels: no online classifier") }

        let opening = RunOpening(options.run.request, name: options.model.model, in: world, note: reporter.note)
        let isKept = opening.place.isKept
        if world.rank == 0 { StopRequest.announce(saves: isKept && !options.run.dryRun) }
        try options.compute.checkTimeline(in: world, besides: options.run.outputDir)
        let resume = try opening.checkpoint().map { checkpoint in
            try world.agree { try PretrainResumePoint(checkpoint) }
        }
        guard let configuration = try settings(asked, resuming: resume, on: data, in: world, reporter) else {
            return ExitCode.done
        }
        try opening.examine(resume: resume?.checkpoint)
        let resources = RankResources(world, try options.compute.team(in: world))
        var layout = try layout(configuration, on: data, besides: resources.team, in: world)
        let test = try testImages(beside: data, of: configuration.model.encoder, in: world)
        let plan = try plan(configuration, layout, saves: isKept, testing: test, on: resources)
        for notice in try ProcessorAffinity.notices(threads: resources.team.count, in: world) { reporter.note(notice) }
        if try StopRequest.isPending(on: world) { return stopped(reporter, isKept, options.run.outputDir, step: 0) }

        for note in data.notes { reporter.note(note) }
        layout.source = try options.data.staged(
            data, isDry: options.run.dryRun, in: world, note: reporter.note)
        layout.statistics = try configuration.statistics(of: layout.source, skipping: layout.badImages, in: world)
        let run = try PretrainRun(
            configuration, layout, saves: isKept, resume: resume, on: resources, reporter: reporter)
        if let test {
            let looks = evaluation(of: test, beside: layout, configuration, on: resources)
            run.task.evaluation = (by: looks, every: options.run.evalEvery ?? .max)
        }
        var summary = RunSummary(
            run: run, data: data, threads: resources.team.count, ranks: world.size, hosts: world.hostLayout,
            directory: opening.place.path, resume: resume?.checkpoint,
            origins: options.data.originsOfStatistics(configuration, data))
        if options.run.dryRun {
            reporter.say(lines: summary.opening)
            let saving = world.size > 1 && isKept ? " (saving: of rank 0 alone)" : ""
            reporter.say("memory of each rank\(saving)\n" + MemoryReport.lines(plan).joined(separator: "\n"))
            return ExitCode.done
        }

        // Nothing has been changed up to here.
        let output = try opening.take(resume: resume?.checkpoint)
        summary.directory = output?.path ?? summary.directory
        reporter.say(lines: summary.opening)
        try opening.begin(
            output, epoch: run.epoch, step: run.updates,
            settings: String(options.recipe(of: run.configuration).dropLast()), remarks: remarks(world))
        try options.compute.watchForStalls(in: world)
        let ending = try run.run(in: output, savingEvery: options.run.checkpointEvery)
        writeTimeline(of: run, reporter)
        guard ending == .finished else { return stopped(reporter, isKept, output?.path, step: run.updates) }
        reporter.say(lines: summary.closing(epochs: run.epochs).components(separatedBy: "\n"))
        return ExitCode.done
    }

    /// The training set, opened for a model that can be. Collective.
    private func images(in world: any Communicator) throws -> any ImageSource {
        let model = try world.agree {
            let model = try options.model.configuration()
            try model.validate()
            return model
        }
        return try options.data.open(
            .train, of: model.encoder, seed: options.run.seed, keepsListing: !options.run.dryRun, in: world,
            say: { Console.print($0) })
    }

    /// All that a step needs but the statistics of the images. Collective.
    private func layout(
        _ configuration: PretrainConfiguration, on data: any ImageSource, besides team: Team, in world: any Communicator
    ) throws -> StepLayout {
        StepLayout(
            source: data, statistics: .unknown(channels: data.channels), classes: data.classCount,
            compute: options.compute.computing(
                workers: try ComputeOptions.workers(options.data.numWorkers, besides: team, in: world)),
            augmentation: configuration.data.augmentation(
                for: ImageSize(height: configuration.model.imageHeight, width: configuration.model.imageWidth)),
            badImages: options.data.onBadImage)
    }

    /// What is asked for, the same on every rank, and the same images. Collective.
    private func configuration(on data: any ImageSource, in world: any Communicator) throws -> PretrainConfiguration {
        let element = try options.compute.element(in: world)
        let configuration = try world.agree {
            try options.configuration(ranks: world.size, channels: data.channels, precision: element)
        }
        try world.agreeOnEqual("configurations", configuration.settings.map(\.line))
        try world.agreeOnEqual("images", ["\(data.identity)"])
        return configuration
    }

    /// The settings that count: those asked for, or, where the run goes on from a checkpoint, those under which it does, with
    /// a note for each that has changed. Nil, said too, if that run is finished. Collective.
    private func settings(
        _ asked: PretrainConfiguration, resuming point: PretrainResumePoint?, on data: any ImageSource,
        in world: any Communicator, _ reporter: Reporter
    ) throws -> PretrainConfiguration? {
        guard let point else { return asked }
        let (saved, path) = (point.state, point.checkpoint.path)
        let configuration = try world.agree {
            let configuration = try options.configuration(
                ranks: world.size, channels: data.channels, precision: asked.precision, resuming: saved.configuration)
            try saved.checkResuming(by: configuration, on: data, path: path)
            return configuration
        }
        if saved.epoch >= configuration.epochs {
            reporter.say(
                "nothing to do: \(path) is of a finished run of \(saved.epoch) epochs; raise --epochs to train on")
            return nil
        }
        for difference in configuration.differences(from: saved.configuration) { reporter.note(difference) }
        if configuration.effectiveBatchSize != asked.effectiveBatchSize {
            let images = configuration.effectiveBatchSize / world.size / configuration.accumulation
            reporter.note(
                "the effective batch stays \(configuration.effectiveBatchSize): \(counted(world.size, "rank")) × "
                    + "\(configuration.accumulation) micro-batches of \(images)")
        }
        return configuration
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
            reporter.note("there is no timeline: \(error)")
        }
    }

    /// What the settings do not say of a run, a line each.
    private func remarks(_ world: any Communicator) -> [String] {
        let host = HostName.current
        return [
            "Begun \(Date().formatted(.iso8601)) on \(host), \(counted(world.size, "rank")), by"
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
}
