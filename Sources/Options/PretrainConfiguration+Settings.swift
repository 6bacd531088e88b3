internal import ImageData
package import ImageSources
package import Pretraining
package import Runs
package import Settings
package import TrainingRuns

extension PretrainConfiguration {
    /// Every value in the words of the command line, in the order of `--help`; configurations are equal if and only if
    /// these are. Ranks compare all of it, a resumed run what decides numbers.
    package var settings: [ConfigurationSetting] {
        ModelOptions.settings(of: step.model) + LossOptions.settings(of: step.loss)
            + OptimisationOptions.settings(of: self) + ExchangeOptions.settings(of: step.gradientExchange)
            + DataOptions.settings(of: data) + RunOptions.settings(of: step) + ComputeOptions.settings(of: step)
    }

    /// One line for each setting that decides numbers and is another than `saved` has, the configuration of a checkpoint:
    /// `--lamb 0.1 in the checkpoint, 0.01 now`.
    package func differences(from saved: PretrainConfiguration) -> [String] {
        zip(saved.settings, settings).compactMap { old, new in
            guard old.value != new.value, old.decidesNumbers || new.decidesNumbers else { return nil }
            return "\(new.flag) \(old.value) in the checkpoint, \(new.value) now"
        }
    }

    /// What a checkpoint must share with the run that goes on from it; the first difference, if there is one.
    package func obstacleToResuming(_ saved: PretrainConfiguration) -> String? {
        let models = zip(ModelOptions.settings(of: saved.model), ModelOptions.settings(of: step.model))
        if let (old, new) = models.first(where: { $0 != $1 }) {
            return "another model: \(new.flag) \(old.value) there, \(new.value) now"
        }
        if saved.seed != step.seed { return "--seed \(saved.seed), this run has \(step.seed)" }
        if saved.effectiveBatchSize != step.effectiveBatchSize {
            return "an effective batch of \(saved.effectiveBatchSize) images, this run has \(step.effectiveBatchSize)"
        }
        return nil
    }
}

extension RunState<PretrainConfiguration, PretrainFigures> {
    /// Looks whether a run can go on from here.
    ///
    /// - Parameters:
    ///   - source: the images of that run.
    ///   - path: of the checkpoint that this state is of.
    /// - Throws: if it is of another model, seed, effective batch or other data.
    package func checkResuming(
        by configuration: PretrainConfiguration, on source: any ImageSource, path: String
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
