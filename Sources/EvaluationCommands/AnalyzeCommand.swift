package import ArgumentParser
internal import Checkpoints
internal import Commands
package import Communication
internal import Evaluation
internal import Features
internal import Host
internal import ImageSources
internal import LinearAlgebra
internal import Models
internal import Options
internal import Runs
internal import Settings

/// `umae-dist analyze`: how far features have collapsed, and what masks do to them.
package struct AnalyzeCommand: WorldCommand {
    package init() {}

    package static let configuration = CommandConfiguration(
        commandName: "analyze",
        abstract: "Say how far the features of checkpoints have collapsed, and what masks do to them.",
        discussion: """
            Of the test images: the singular values of the features of whole ones and how many dimensions they spread \
            over; how alike the features of different images, of images of one class and of two masks of one image are; \
            what is reconstructed; and, at several mask ratios, how often a mask takes away what tells the class. \
            Checkpoints are put side by side. Under mpirun ranks share the images, and the result is the same.
            """)

    @Argument(help: "Checkpoints, or run directories for their newest ones.", completion: .directory)
    var checkpoints: [String]
    @Option(help: "Test images that are looked at, at most, in equal distances.") var images = 10_000
    @Option(help: "Of these, images that LiDAR has views of.") var lidarImages = 1000
    @Option(help: "Views of each of them.") var lidarViews = 10
    @Option(help: "Mask ratios that are gone through, with commas between; 'none' for none.")
    var maskRatios = NumberList(values: [0.25, 0.5, 0.75, 0.9])
    @Option(
        help: "Directory for analysis.csv, mask-ratios.csv, singular-values.csv and analysis.json.",
        completion: .directory)
    var outputDir: String?
    @Flag(help: "Print one JSON object instead of tables.") var json = false
    @OptionGroup(title: "Feature") var features: FeatureOptions
    @OptionGroup(title: "Images") var options: EvaluationOptions

    package func validate() throws {
        try Bounds.check("--images", images, 2...1 << 24)
        try Bounds.check("--lidar-images", lidarImages, 2...1 << 24)
        try Bounds.check("--lidar-views", lidarViews, 2...1 << 10)
        for ratio in maskRatios.values where ratio >= 1 {
            throw ValidationError("--mask-ratios has \(ratio): each must be above 0 and below 1")
        }
    }

    package func run(in world: any Communicator) throws -> Int32 {
        let reporter = Reporter(in: world)
        try world.agree { try OpenBLAS.load() }
        let resources = try options.resources(in: world)
        // All are opened first: what is wrong with the last is said before the first is looked at.
        let subjects = try checkpoints.map { try options.open($0, on: resources) }
        var found: [CheckpointAnalysis] = []
        for subject in subjects {
            if !json { reporter.say(lines: subject.opening) }
            found.append(try analyze(subject))
        }
        let report = AnalysisReport(found)
        try world.agree(during: .evaluating) {
            guard world.rank == 0, let outputDir else { return }
            try report.write(to: outputDir)
        }
        guard world.rank == 0 else { return ExitCode.done }
        Console.print(json ? try report.json() : report.text)
        return ExitCode.done
    }

    private func analyze(_ subject: EvaluationSubject) throws -> CheckpointAnalysis {
        var extent = CheckpointAnalyzer.Extent()
        (extent.images, extent.maskRatios) = (images, maskRatios.values)
        (extent.lidarImages, extent.lidarViews) = (min(lidarImages, images), lidarViews)
        let feature = try subject.resources.communicator.agree { try features.feature(of: subject, for: "analyze") }
        guard feature.block == 0 else { preconditionFailure("one feature is of the last block") }
        let test = try subject.images(.test)
        let transform = subject.transform(for: [test])
        let training = try trainingFeatures(of: subject, [feature], besides: test)
        let whole = try subject.features([feature], of: test, by: transform)
        let weights = try subject.resources.communicator.agree(during: .readingCheckpoint) {
            try subject.pretrained.checkpoint.weights()
        }
        let passes = subject.passes(transform, images: options.batchSize, "analysis")
        return try CheckpointAnalyzer(
            subject.pretrained.model, subject.element, weights: weights, passes, feature, extent, on: subject.resources
        ).run(checkpoint: subject.pretrained.checkpoint.path, whole: whole, training: training, on: test)
    }

    /// For the classifier; nil where there are no training images with the labels of the test images. Collective.
    private func trainingFeatures(
        of subject: EvaluationSubject, _ features: [ImageFeature], besides test: any ImageSource
    ) throws -> FeatureSet? {
        guard test.classCount != nil else { return nil }
        let training = try subject.images(.train)
        guard training.classCount == test.classCount, training.identity != test.identity else { return nil }
        return try subject.features(features, of: training, by: subject.transform(for: [training, test]))
    }
}
