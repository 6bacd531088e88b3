internal import ArgumentParser
internal import Communication
internal import Evaluation
internal import Features
internal import Host
internal import Models
internal import Settings

/// Which features of an encoder are evaluated.
struct FeatureOptions: ParsableArguments {
    @Option(
        help: """
            Features, with commas between: cls (class token, final norm applied twice as in the public U-MAE code), \
            cls-once, pooled (mean of the patch tokens). Default: the one that was trained with.
            """)
    var feature: FeatureList?
    @Option(help: "Blocks behind which they are taken, counted from the last.") var blocks = 1

    func validate() throws { try Bounds.check("--blocks", blocks, 1...1 << 10) }

    /// - Parameter usual: where none are asked for; nil for the one that the model was trained with.
    func features(
        of subject: EvaluationSubject, usual: [VisionTransformerConfiguration.Feature]? = nil
    ) throws -> [ImageFeature] {
        let model = subject.pretrained.model
        guard blocks <= model.depth else {
            throw SettingsError("--blocks is \(blocks), and the model has \(counted(model.depth, "block"))")
        }
        let poolings = feature?.values ?? usual ?? [model.feature]
        return (0..<blocks).flatMap { block in poolings.map { ImageFeature($0, block: block) } }
    }

    /// - Parameter command: that evaluates one feature alone.
    func feature(of subject: EvaluationSubject, for command: String) throws -> ImageFeature {
        let all = try features(of: subject)
        guard all.count == 1 else {
            throw SettingsError(
                "\(command) takes one feature, and --feature and --blocks name \(all.map(\.name).joined(separator: ", "))"
            )
        }
        return all[0]
    }
}

/// `cls,pooled`
struct FeatureList: ExpressibleByArgument {
    let values: [VisionTransformerConfiguration.Feature]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        let values = parts.compactMap { VisionTransformerConfiguration.Feature(rawValue: String($0)) }
        guard values.count == parts.count, Set(values).count == values.count, !values.isEmpty else { return nil }
        self.values = values
    }
}
