package import ArgumentParser
internal import Commands
package import Communication
internal import Evaluation
internal import Foundation
internal import Options
internal import Runs
internal import Settings

/// `umae-dist linprobe`: how well a linear classifier on a checkpoint's features tells the class of test images.
package struct LinearProbeCommand: WorldCommand {
    package init() {}

    package static let configuration = CommandConfiguration(
        commandName: "linprobe",
        abstract: "Fit a linear classifier to the features of a checkpoint, and test it.",
        discussion: """
            The encoder stays as it is and sees whole images, once. On its features, brought to mean 0 and variance 1, \
            logistic regression is fitted to the end by L-BFGS, with the l2 that is best for a tenth of the training images \
            held out. Under mpirun ranks share the images, and the result is the same.
            """)

    @OptionGroup(title: "Encoder") var encoder: SubjectOptions
    @OptionGroup(title: "Images") var options: EvaluationOptions
    @Option(help: "Weight of the penalty l2/2 · ‖W‖² (default: the best of 1e-5, 1e-4, 1e-3 and 1e-2).") var l2: Double?
    @Flag(help: "Print one JSON object instead of lines.") var json = false

    private struct Report: Encodable {
        let top1: Double
        let top5: Double
        let l2: Double
    }

    package func validate() throws { try Bounds.check("--l2", l2, .atLeast(0)) }

    package func run(in world: any Communicator) throws -> Int32 {
        let reporter = Reporter(in: world)
        let resources = try options.resources(in: world)
        let subject = try options.open(encoder.checkpoint, on: resources, note: reporter.note)
        let images = try subject.labelledImages()
        let feature = encoder.feature(of: subject)
        if !json { reporter.say(lines: subject.opening + [images.line, "feature  \(feature.name)"]) }
        let transform = subject.transform(for: images.all)
        let training = try subject.features([feature], of: images.training, by: transform)
        let test = try subject.features([feature], of: images.test, by: transform)
        let result = try LinearProbe(penalties: l2.map { [$0] } ?? LinearProbe.usualPenalties).run(
            feature, training: training, test: test, in: world, resources.team)
        guard world.rank == 0 else { return ExitCode.done }
        if json {
            let report = Report(top1: result.test.top1, top5: result.test.top5, l2: result.l2)
            Console.print(try JSONReport.text(report))
            return ExitCode.done
        }
        for (l2, top1) in result.heldOut {
            Console.print(String(format: "l2       %-7g %.2f%% of the training images held out", l2, 100 * top1))
        }
        Console.print(
            String(
                format: "linear   top-1 %.2f%%, top-5 %.2f%% (l2 %g)", 100 * result.test.top1, 100 * result.test.top5,
                result.l2))
        return ExitCode.done
    }
}
