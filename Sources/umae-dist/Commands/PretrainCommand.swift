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

        let session = try TrainingSession(
            options.run, options.compute, name: options.model.model, in: world, reporter)
        let resume: PretrainResumePoint? = try session.resumePoint()
        let settled = try session.settings(asked, resuming: resume, on: data) { saved in
            try options.configuration(
                ranks: world.size, channels: data.channels, precision: asked.precision, resuming: saved)
        }
        guard let configuration = settled else { return ExitCode.done }
        let resources = try session.resources(resuming: resume?.checkpoint)
        var layout = try layout(configuration, on: data, besides: resources.team, in: world)
        let test = try testImages(beside: data, of: configuration.model.encoder, in: world)
        let plan = try plan(configuration, layout, saves: session.isKept, testing: test, on: resources)
        if let code = try session.isStopped(on: resources) { return code }

        for note in data.notes { reporter.note(note) }
        layout.source = try options.data.staged(
            data, isDry: options.run.dryRun, in: world, note: reporter.note)
        layout.statistics = try configuration.data.statistics(
            of: layout.source, skipping: layout.badImages, in: world)
        let run = try PretrainRun(
            configuration, layout, saves: session.isKept, resume: resume, on: resources, reporter: reporter)
        if let test {
            let looks = evaluation(of: test, beside: layout, configuration, on: resources)
            run.task.evaluation = (by: looks, every: options.heldOut.evalEvery ?? .max)
        }
        let summary = RunSummary(
            run: run, data: data, threads: resources.team.count, ranks: world.size, hosts: world.hostLayout,
            resume: resume?.checkpoint, origins: options.data.originsOfStatistics(configuration.data, data))
        return try session.train(
            run, resuming: resume?.checkpoint, memory: plan, recipe: options.recipe(of: run.configuration),
            opening: summary.opening, closing: summary.closing)
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
