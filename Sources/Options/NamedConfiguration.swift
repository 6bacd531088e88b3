internal import ImageData
package import ImageSources
package import Runs
package import Settings
package import TrainingRuns

/// A configuration in the words of the command line.
package protocol NamedConfiguration: RunConfiguration {
    /// Every value, in the order of `--help`; configurations are equal if and only if these are. Ranks compare all of it, a
    /// resumed run what decides numbers.
    var settings: [ConfigurationSetting] { get }
    /// Those that say what is trained.
    var modelSettings: [ConfigurationSetting] { get }
}

extension NamedConfiguration {
    /// One line for each setting that decides numbers and is another than `saved` has, the configuration of a checkpoint:
    /// `--lamb 0.1 in the checkpoint, 0.01 now`.
    package func differences(from saved: Self) -> [String] {
        zip(saved.settings, settings).compactMap { old, new in
            guard old.value != new.value, old.decidesNumbers || new.decidesNumbers else { return nil }
            return "\(new.flag) \(old.value) in the checkpoint, \(new.value) now"
        }
    }

    /// What a checkpoint must share with the run that goes on from it; the first difference, if there is one.
    package func obstacleToResuming(_ saved: Self) -> String? {
        if let (old, new) = zip(saved.modelSettings, modelSettings).first(where: { $0 != $1 }) {
            return "another model: \(new.flag) \(old.value) there, \(new.value) now"
        }
        if saved.update.seed != update.seed { return "--seed \(saved.update.seed), this run has \(update.seed)" }
        let (there, here) = (saved.update.effectiveBatchSize, update.effectiveBatchSize)
        if there != here { return "an effective batch of \(there) images, this run has \(here)" }
        return nil
    }
}

extension RunState where Configuration: NamedConfiguration {
    /// Looks whether a run can go on from here.
    ///
    /// - Parameters:
    ///   - source: the images of that run.
    ///   - path: of the checkpoint that this state is of.
    /// - Throws: if it is of another model, seed, effective batch or other data.
    package func checkResuming(
        by configuration: Configuration, on source: any ImageSource, path: String
    ) throws(RunDirectoryError) {
        if let obstacle = configuration.obstacleToResuming(self.configuration) {
            throw RunDirectoryError(description: "cannot resume from \(path): it is of \(obstacle)")
        }
        guard isOf(source) else {
            throw RunDirectoryError(
                description: "cannot resume from \(path): it was trained on other images than --data-path now holds")
        }
    }
}
