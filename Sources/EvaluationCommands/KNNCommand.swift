internal import Features
package import ArgumentParser
internal import Commands
package import Communication
internal import Evaluation
internal import Host
internal import ImageSources
internal import Foundation
internal import Options
internal import Runs
internal import Settings

/// `umae-dist knn`: how well the nearest training images tell the class of test images.
package struct KNNCommand: WorldCommand {
    package init() {}

    package static let configuration = CommandConfiguration(
        commandName: "knn",
        abstract: "Classify test images by their nearest training images in the features of a checkpoint.",
        discussion: """
            Cosine similarity of features of whole images; nothing is trained. Under mpirun ranks share the images, and \
            the result is the same.
            """)

    enum Vote: String, CaseIterable, ExpressibleByArgument {
        case weighted, uniform
    }

    @Argument(help: "Checkpoint, or a run directory for its newest one.", completion: .directory) var checkpoint: String
    @OptionGroup(title: "Feature") var features: FeatureOptions
    @OptionGroup(title: "Images") var options: EvaluationOptions
    @Option(help: "Numbers of neighbours: 1,10,20,200.") var neighbors = NeighborCounts(values: [1, 10, 20, 200])
    @Option(
        help: "What a neighbour counts: weighted (exp of similarity over temperature, as in DINO), or uniform (1).")
    var vote = Vote.weighted
    @Option(help: "Temperature of --vote weighted (default: 0.07).") var temperature: Double?
    @Flag(help: "Print one JSON object instead of lines.") var json = false

    package func validate() throws {
        try Bounds.check("--temperature", temperature, .above(0))
        guard vote == .weighted || temperature == nil else {
            throw ValidationError("--temperature is for --vote weighted")
        }
    }

    package func run(in world: any Communicator) throws -> Int32 {
        let reporter = Reporter(in: world)
        let resources = try options.resources(in: world)
        let subject = try options.open(checkpoint, on: resources)
        let feature = try world.agree { try features.feature(of: subject, for: "knn") }
        let images = try subject.labelledImages()
        try world.agree {
            guard let most = neighbors.values.max(), most > images.training.count else { return }
            throw SettingsError(
                "--neighbors has \(most), and there are \(counted(images.training.count, "training image"))")
        }
        if !json { reporter.say(lines: subject.opening + [images.line, "feature  \(feature.name)"]) }
        let transform = subject.transform(for: images.all)
        let training = try subject.features([feature], of: images.training, by: transform)
        let test = try subject.features([feature], of: images.test, by: transform)
        let classifier = NeighborClassifier(
            neighbors: neighbors.values,
            vote: vote == .uniform ? .uniform : .weighted(temperature: temperature ?? 0.07))
        let result = try classifier.run(
            feature, training: training, test: test, in: world, resources.team)
        guard world.rank == 0 else { return ExitCode.done }
        if json {
            let accuracies = Dictionary(
                uniqueKeysWithValues: zip(result.neighbors.map { "\($0)" }, result.accuracies))
            Console.print(try JSONReport.text(accuracies))
        } else {
            for (count, accuracy) in zip(result.neighbors, result.accuracies) {
                Console.print(String(format: "k-NN     k = %-4d %.2f%%", count, 100 * accuracy))
            }
        }
        return ExitCode.done
    }
}

/// `1,10,20`
struct NeighborCounts: ExpressibleByArgument {
    let values: [Int]

    init(values: [Int]) { self.values = values }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        let numbers = parts.compactMap { $0 }
        guard numbers.count == parts.count && !numbers.isEmpty && numbers.allSatisfy({ $0 >= 1 }) else { return nil }
        values = numbers
    }

    var defaultValueDescription: String { values.map(String.init).joined(separator: ",") }
}
