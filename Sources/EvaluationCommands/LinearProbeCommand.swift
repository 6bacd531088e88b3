package import ArgumentParser
internal import Augmentation
internal import Checkpoints
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

/// `umae-dist linprobe`: how well a linear classifier on a checkpoint's features tells the class of test images.
package struct LinearProbeCommand: WorldCommand {
    package init() {}

    package static let configuration = CommandConfiguration(
        commandName: "linprobe",
        abstract: "Train linear classifiers on the features of a checkpoint, and test them.",
        discussion: """
            The encoder stays as it is and sees whole images. --probe linear is the linear probe of facebookresearch/mae: \
            batch normalisation without parameters and a linear layer, trained by LARS. Several features and learning \
            rates are trained together, and cost little more than one. --probe logistic is logistic regression, fitted \
            to its end by L-BFGS: it has neither rate nor length, and its l2 is the best for a tenth of the training images \
            held out. --probe attentive trains queries that pool the patch tokens, and a linear layer, by AdamW: it shows \
            whether features are worth more than their mean or class token says. Under mpirun ranks share the images, and the result is the same.
            """)

    enum Probe: String, CaseIterable, ExpressibleByArgument {
        case linear, logistic, attentive
    }

    @Argument(help: "Checkpoint, or a run directory for its newest one.", completion: .directory) var checkpoint: String
    @Option(help: "linear (MAE's protocol, by LARS), logistic (regression, by L-BFGS) or attentive.") var probe = Probe
        .linear
    @Option(
        help: "Weight of the penalty l2/2 · ‖W‖² of --probe logistic (default: the best of 1e-5, 1e-4, 1e-3 and 1e-2).")
    var l2: Double?
    @Flag(help: "Print one JSON object instead of lines.") var json = false
    @OptionGroup(title: "Features") var features: FeatureOptions
    @OptionGroup(title: "Training, for --probe linear") var training: ProbeTrainingOptions
    @OptionGroup(title: "Images") var options: EvaluationOptions

    package func validate() throws {
        try Bounds.check("--l2", l2, .atLeast(0))
        guard l2 == nil || probe == .logistic else { throw ValidationError("--l2 is for --probe logistic") }
    }

    package func run(in world: any Communicator) throws -> Int32 {
        let reporter = Reporter(in: world)
        let resources = try options.resources(in: world)
        let subject = try options.open(checkpoint, on: resources)
        let wanted = try world.agree {
            try features.features(of: subject)
        }
        let images = try subject.labelledImages()
        if !json {
            let names = probe == .attentive ? "patch tokens" : wanted.map(\.name).joined(separator: ", ")
            reporter.say(lines: subject.opening + [images.line, "features \(names)"])
        }
        let report =
            switch probe {
            case .logistic: try logistic(wanted, of: subject, on: images)
            case .linear: try linear(wanted, of: subject, on: images, reporter)
            case .attentive: try attentive(of: subject, on: images, reporter)
            }
        guard world.rank == 0 else { return ExitCode.done }
        Console.print(json ? try JSONReport.text(report.figures) : report.lines.joined(separator: "\n"))
        return ExitCode.done
    }

    /// Collective.
    private func logistic(
        _ wanted: [ImageFeature], of subject: EvaluationSubject, on images: LabelledImages
    ) throws -> ProbeReport {
        let (world, team) = (subject.resources.communicator, subject.resources.team)
        let transform = subject.transform(for: images.all)
        let training = try subject.features(wanted, of: images.training, by: transform)
        let test = try subject.features(wanted, of: images.test, by: transform)
        let probe = LinearProbe(penalties: l2.map { [$0] } ?? LinearProbe.usualPenalties)
        return ProbeReport(
            try wanted.map { ($0, try probe.run($0, training: training, test: test, in: world, team)) })
    }

    /// Collective.
    private func linear(
        _ wanted: [ImageFeature], of subject: EvaluationSubject, on images: LabelledImages, _ reporter: Reporter
    ) throws -> ProbeReport {
        let (world, team) = (subject.resources.communicator, subject.resources.team)
        let configuration = training.configuration(images: images.training.count)
        if configuration.batch == images.training.count && !json {
            reporter.note("all \(configuration.batch) training images make an update: there are no more")
        }
        let place = try world.agree {
            try training.outputDir.map {
                try ProbePlace($0, "linprobe", settings(configuration, wanted, subject, images))
            }
        }
        let epoch = try place?.epoch(in: world) ?? 0
        let probe = try self.probe(configuration, wanted, of: subject, on: images, from: epoch)
        try goOn(probe, after: epoch, from: place, in: world, reporter)
        try probe.run { ended in
            if let place { try probe.save(to: place.path, settings: place.settings, in: world) }
            guard !json, ended.number % 10 == 0 || ended.number == configuration.epochs else { return }
            let least = ended.losses.min() ?? 0
            reporter.say(
                String(
                    format: "epoch %d  loss %.4f%@  lr %.3g × blr", ended.number, least,
                    ended.losses.count > 1 ? " (least of \(ended.losses.count))" : "", ended.rate))
        }
        let test = try subject.features(wanted, of: images.test, by: subject.transform(for: images.all))
        let found = try probe.heads.classifiers().map { head, classifier in
            (head, try ClassificationAccuracy(of: classifier, on: test, head.feature, in: world, team))
        }
        return ProbeReport(found)
    }

    /// Takes up what was kept, if anything was. Collective.
    private func goOn(
        _ probe: some ResumableProbe, after epoch: Int, from place: ProbePlace?, in world: any Communicator,
        _ reporter: Reporter
    ) throws {
        guard let place, epoch > 0 else { return }
        try probe.restore(from: place.path, settings: place.settings, in: world)
        if !json { reporter.say("probe    goes on after epoch \(epoch)") }
    }

    /// On features that are taken once, or on images that are seen anew in every epoch. Collective.
    private func probe(
        _ configuration: ProbeTraining.Configuration, _ wanted: [ImageFeature], of subject: EvaluationSubject,
        on images: LabelledImages, from epoch: Int
    ) throws -> ProbeTraining {
        let resources = subject.resources
        let (world, team, plan) = (resources.communicator, resources.team, resources.memory)
        let classes = images.training.classCount ?? 0
        guard training.augment == .crop else {
            let features = try subject.features(wanted, of: images.training, by: subject.transform(for: images.all))
            return ProbeTraining(configuration, on: features, wanted, classes: classes, in: world, team, plan: plan)
        }
        let loader = try subject.augmented(
            images.training, by: Self.crop, batch: configuration.batch,
            seed: configuration.seed,
            from: epoch, workers: training.numWorkers)
        let encoder = try subject.encoder(images: loader.division.microBatch, for: wanted)
        return ProbeTraining(configuration, on: loader, encoder, classes: classes, in: world, team, plan: plan)
    }

    /// Collective.
    private func attentive(
        of subject: EvaluationSubject, on images: LabelledImages, _ reporter: Reporter
    ) throws -> ProbeReport {
        let (resources, world) = (subject.resources, subject.resources.communicator)
        let batch = min(training.effectiveBatchSize ?? 1024, images.training.count)
        let configuration = training.attentive(width: subject.pretrained.model.embedDim)
        let place = try world.agree {
            guard training.blr?.values.count ?? 1 == 1 else {
                throw SettingsError(
                    "--probe attentive takes one learning rate, and --blr has \(training.blr?.values.count ?? 0)")
            }
            return try training.outputDir.map {
                try ProbePlace(
                    $0, "attentive",
                    "\(subject.pretrained.checkpoint.path), \(images.training.identity), "
                        + training.settings(configuration, batch: batch))
            }
        }
        let epoch = try place?.epoch(in: world) ?? 0
        let transform = subject.transform(for: images.all)
        let loader = try subject.augmented(
            images.training, by: training.augment == .crop ? Self.crop : transform.augmentation.part, batch: batch,
            seed: configuration.seed, from: epoch, workers: training.numWorkers)
        let probe = try world.agree(during: .readingCheckpoint) {
            try AttentiveProbeTraining(
                configuration, subject.pretrained.encoder(subject.element, plan: resources.memory),
                classes: images.training.classCount ?? 0, on: loader, resources)
        }
        try goOn(probe, after: epoch, from: place, in: world, reporter)
        try probe.run { epoch, loss, accuracy in
            if let place { try probe.save(to: place.path, settings: place.settings, in: world) }
            guard !json else { return }
            reporter.say(
                String(format: "epoch %d  loss %.4f  training accuracy %.2f%%", epoch, loss, 100 * accuracy))
        }
        let accuracy = try probe.test(on: images.test, by: transform, resources)
        return ProbeReport(attentive: accuracy, blr: configuration.baseRate)
    }

    /// As main_linprobe.py crops.
    private static var crop: ImageAugmentation { .crop(RandomResizedCrop(scale: 0.08...1, retries: false)) }

    private func settings(
        _ configuration: ProbeTraining.Configuration, _ wanted: [ImageFeature], _ subject: EvaluationSubject,
        _ images: LabelledImages
    ) -> String {
        "\(subject.pretrained.checkpoint.path), \(images.training.identity), \(wanted.map(\.name).joined(separator: ",")), "
            + training.settings(configuration)
    }
}
