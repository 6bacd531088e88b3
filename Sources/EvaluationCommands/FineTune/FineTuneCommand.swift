package import ArgumentParser
internal import Checkpoints
internal import Classification
internal import Commands
package import Communication
internal import Evaluation
internal import Features
internal import FineTuning
internal import Foundation
internal import Host
internal import ImageData
internal import ImageSources
internal import Models
internal import Options
internal import Runs
internal import Settings
internal import Tensors
internal import TrainingRuns

/// `umae-dist finetune`: trains a classifier from a pretrained encoder, or from scratch, and tests it after each epoch.
package struct FineTuneCommand: WorldCommand {
    package init() {}

    package static let configuration = CommandConfiguration(
        commandName: "finetune",
        abstract: "Fine-tune the encoder of a checkpoint as a classifier, or train one from scratch, and test it.",
        discussion: """
            Flags are those of facebookresearch/mae main_finetune.py, with underscores or dashes, and settings come from \
            recipes and the environment as those of pretraining do. The test images are seen once after each epoch, each \
            by one rank. Directories, checkpoints, --resume, signals and exit codes are those of pretraining. With --eval \
            the run that --resume names is tested, and nothing is trained.
            """)

    @OptionGroup var options: FineTuneOptions

    package static var savesOnSignals: Bool { true }
    package static var alternatives: [[String]] { FineTuneOptions.alternatives }
    package static var notInherited: Set<String> { FineTuneOptions.besides.union(PretrainOptions.ofTheMachine) }

    package func run(in world: any Communicator) throws -> Int32 {
        if options.run.printConfig { return try printConfiguration(in: world) }
        let reporter = Reporter(in: world)
        for notice in try world.agree({ try options.compatibility.notices() }) { reporter.note(notice) }
        let session = try TrainingSession(options.run, options.compute, name: "finetune", in: world, reporter)
        let resume: FineTuneResumePoint? = try session.resumePoint()
        let start = try resume == nil ? pretrained(in: world, reporter) : nil
        var command = self
        command.options.look(for: resume?.state.configuration.data.dataPath ?? start?.dataPath)
        let encoder = resume?.state.configuration.model.encoder ?? start?.model.encoder
        let images = try command.images(of: encoder, in: world)
        let asked = try command.configuration(of: encoder, start?.statistics, on: images, in: world)
        if options.eval { return try command.evaluate(resume, asked, images, in: world) }
        let settled = try session.settings(asked, resuming: resume, on: images.training) { saved in
            try command.options.configuration(
                of: encoder, nil, on: images, precision: asked.update.precision, ranks: world.size, resuming: saved)
        }
        guard let configuration = settled else { return ExitCode.done }
        return try command.train(
            configuration, from: start, resuming: resume, on: images, session, in: world, reporter)
    }

    /// Everything is looked at before anything is changed: up to the line that says so, `--dry-run` goes the same way.
    /// Collective.
    private func train(
        _ configuration: FineTuneConfiguration, from start: PretrainedModel?, resuming point: FineTuneResumePoint?,
        on images: LabelledImages, _ session: TrainingSession, in world: any Communicator, _ reporter: Reporter
    ) throws -> Int32 {
        let checkpoint = point?.checkpoint
        let resources = try session.resources(resuming: checkpoint)
        var layout = try layout(images, besides: resources.team, in: world)
        let plan = try layout.plan(configuration, saves: session.isKept, on: resources)
        if let code = try session.isStopped(on: resources) { return code }
        for note in images.training.notes { reporter.note(note) }
        layout.source = try options.data.staged(
            images.training, isDry: options.run.dryRun, in: world, note: reporter.note)
        layout.statistics = try configuration.data.statistics(
            of: layout.source, skipping: BadImages(options.data.onBadImage, of: layout.source.count), in: world)
        let run = try FineTuneRun(
            configuration, layout, pretrained: start, saves: session.isKept, resume: point, on: resources,
            reporter: reporter)
        let summary = FineTuneSummary(
            run: run, images: images, start: start, resume: checkpoint, threads: resources.team.count,
            ranks: world.size)
        return try session.train(
            run, resuming: checkpoint, memory: plan, recipe: options.recipe(of: run.configuration),
            opening: summary.opening, closing: summary.closing)
    }

    /// The checkpoint to begin with; nil from scratch. Collective.
    private func pretrained(in world: any Communicator, _ reporter: Reporter) throws -> PretrainedModel? {
        guard let path = options.pretrained else {
            if !options.eval { reporter.note("no checkpoint: the encoder is trained from scratch") }
            return nil
        }
        return try world.agree(during: .readingCheckpoint) {
            try PretrainedModel(try CheckpointStore.open(path, reportingDamaged: reporter.note))
        }
    }

    /// Training and test images. Collective.
    private func images(
        of encoder: VisionTransformerConfiguration?, in world: any Communicator
    ) throws -> LabelledImages {
        let shape = try world.agree { try options.model.shape(of: encoder) }
        func open(_ split: ImageDataset.Split) throws -> any ImageSource {
            var data = options.data
            // That number is of training images.
            if split == .test { data.images = nil }
            return try data.open(
                split, of: shape, seed: options.run.seed, keepsListing: !options.run.dryRun, in: world,
                say: { Console.print($0) })
        }
        let images = LabelledImages(training: try open(.train), test: try open(.test))
        try world.agree { try images.check() }
        return images
    }

    /// What is asked for, the same on every rank, and the same images. Collective.
    private func configuration(
        of encoder: VisionTransformerConfiguration?, _ known: ChannelStatistics?, on images: LabelledImages,
        in world: any Communicator
    ) throws -> FineTuneConfiguration {
        let element = try options.compute.element(in: world)
        let configuration = try world.agree {
            try options.configuration(of: encoder, known, on: images, precision: element, ranks: world.size)
        }
        try world.agreeOnEqual("configurations", configuration.settings.map(\.line))
        try world.agreeOnEqual("images", images.all.map { "\($0.identity)" })
        return configuration
    }

    /// All that a step needs but the statistics of the images. Collective.
    private func layout(
        _ images: LabelledImages, besides team: Team, in world: any Communicator
    ) throws -> FineTuneLayout {
        FineTuneLayout(
            source: images.training, test: images.test, statistics: .unknown(channels: images.training.channels),
            compute: options.compute.computing(
                workers: try ComputeOptions.workers(options.data.numWorkers, besides: team, in: world)),
            badImages: options.data.onBadImage)
    }

    /// Tests the run that is named, and ends. Collective.
    private func evaluate(
        _ point: FineTuneResumePoint?, _ asked: FineTuneConfiguration, _ images: LabelledImages,
        in world: any Communicator
    ) throws -> Int32 {
        let point = try world.agree {
            guard let point else {
                throw SettingsError(
                    "--eval tests a run that was fine-tuned: name it, or a checkpoint of it, with --resume")
            }
            for (old, new) in zip(point.state.configuration.modelSettings, asked.modelSettings) where old != new {
                throw SettingsError("--resume is of another model: \(new.flag) \(old.value) there, \(new.value) now")
            }
            return point
        }
        var configuration = point.state.configuration
        configuration.update.precision = asked.update.precision
        let resources = RankResources(world, try options.compute.team(in: world))
        var layout = try layout(images, besides: resources.team, in: world)
        layout.statistics = try configuration.data.statistics(
            of: images.training, skipping: BadImages(options.data.onBadImage, of: images.training.count), in: world)
        let classifier = try FineTunedClassifier(
            point, configuration, layout, images: FineTuneOptions.testBatch, on: resources)
        let figures = try classifier.test()
        guard world.rank == 0 else { return ExitCode.done }
        Console.print(figures.own.line("test     "))
        if let average = figures.average { Console.print(average.line("average  ")) }
        return ExitCode.done
    }

    /// Prints the settings as a recipe, with every check that needs neither images nor a checkpoint. Collective.
    private func printConfiguration(in world: any Communicator) throws -> Int32 {
        let recipe = try world.agree {
            _ = try options.compatibility.notices()
            var configuration = FineTuneConfiguration()
            try options.settle(&configuration, channels: 1, precision: .float32, ranks: world.size)
            return options.recipe(of: configuration, modelIsKnown: false)
        }
        try world.agreeOnEqual("settings", [recipe])
        if world.rank == 0 { Console.print(String(recipe.dropLast())) }
        return ExitCode.done
    }
}
