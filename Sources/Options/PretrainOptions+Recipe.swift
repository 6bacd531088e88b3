package import Pretraining
internal import Settings

extension PretrainOptions {
    /// Flags that say one thing in two ways.
    package static let alternatives = [["batch-size", "effective-batch-size"], ["lr", "blr"]]
    /// Flags that say where a run is kept and what is done with it, not what it is.
    package static let besides: Set<String> = ["recipe", "output-dir", "resume", "print-config", "dry-run", "timeline"]
    /// Flags that say how a machine computes: a run that goes on does not take them over.
    package static let ofTheMachine: Set<String> = [
        "threads", "num-workers", "cache-dir", "stage", "stall-timeout",
    ]

    /// The settings as a recipe that gives the same run.
    package func recipe(of configuration: PretrainConfiguration) -> String {
        let withoutEffect = FlagValue.all(in: compatibility).map(\.flag)
        // Channels are those of the images, which a recipe does not fix.
        let resolved = configuration.settings.filter { $0.value != "none" && $0.flag != "--in-chans" }
        return RecipeText.yaml(
            of: self, omitting: Self.besides.union(withoutEffect), alternatives: Self.alternatives,
            resolved: Dictionary(
                uniqueKeysWithValues: resolved.map { ($0.flag.trimmingPrefix("--").description, $0.value) }))
    }
}
