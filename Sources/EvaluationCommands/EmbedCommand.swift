package import ArgumentParser
internal import Commands
package import Communication
internal import Evaluation
internal import Features
internal import Foundation
internal import Host
internal import ImageSources
internal import Models
internal import Options
internal import Runs
internal import Safetensors
internal import Settings
internal import Tensors

/// `umae-dist embed`: writes the features of images to files.
package struct EmbedCommand: WorldCommand {
    package init() {}

    package static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Write what a checkpoint's encoder makes of images.",
        discussion: """
            Each image is seen once, whole. NAME is train or test: NAME.safetensors holds a tensor [images, width] for \
            each feature and one of labels; with --format npy there is NAME-FEATURE.npy for each, and NAME-labels.npy. Images \
            are in the order of the data set (umae-dist data). Under mpirun ranks share the images; rank 0 then holds the \
            features and writes them.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case safetensors, npy
    }

    enum Split: String, CaseIterable, ExpressibleByArgument {
        case train, test, both
    }

    @Argument(help: "Checkpoint, or a run directory for its newest one.", completion: .directory) var checkpoint: String
    @Option(help: "Directory to write into.", completion: .directory) var outputDir = "features"
    @Option(help: "Of files: safetensors or npy.") var format = Format.safetensors
    @Option(help: "Images: train, test or both.") var split = Split.both
    @OptionGroup(title: "Features") var features: FeatureOptions
    @OptionGroup(title: "Images") var options: EvaluationOptions

    package func run(in world: any Communicator) throws -> Int32 {
        let reporter = Reporter(in: world)
        let resources = try options.resources(in: world)
        let subject = try options.open(checkpoint, on: resources)
        let wanted = try world.agree {
            try features.features(of: subject, usual: VisionTransformerConfiguration.Feature.allCases)
        }
        reporter.say(lines: subject.opening)
        for name in split == .both ? [Split.train, .test] : [split] {
            let images = try subject.images(name == .test ? .test : .train)
            let found = try subject.features(wanted, of: images, by: subject.transform(for: [images]))
            let file = try FeatureFile(gathering: wanted, of: found, in: world)
            let paths = try world.agree(during: .evaluating) { try file.map { try write($0, name.rawValue) } ?? [] }
            for (tensor, path) in paths {
                reporter.say("\(path)  \(tensor)")
            }
        }
        return ExitCode.done
    }

    /// - Returns: what was written where.
    private func write(_ file: FeatureFile, _ name: String) throws -> [(String, String)] {
        try Directories.createAll(outputDir)
        func described(_ tensor: NamedTensor) -> String {
            "\(tensor.name) [\(tensor.shape.map(String.init).joined(separator: ", "))]"
        }
        switch format {
        case .safetensors:
            let path = Directories.child(outputDir, "\(name).safetensors")
            try SafetensorsWriter.write(file.tensors, to: path)
            return [(file.tensors.map(described).joined(separator: ", "), path)]
        case .npy:
            return try file.tensors.map { tensor in
                let path = Directories.child(outputDir, "\(name)-\(tensor.name).npy")
                try NumPyWriter.write(tensor, to: path)
                return (described(tensor), path)
            }
        }
    }
}
