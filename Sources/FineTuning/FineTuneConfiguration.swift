package import Classification
internal import Optimization
package import TrainingRuns

/// Everything that decides what fine-tuning computes. Saved with each checkpoint; all ranks must hold the same.
///
/// As a pretraining's, its JSON has no parts but the model and the augmentation.
package struct FineTuneConfiguration: RunConfiguration {
    package var model = ClassifierConfiguration()
    package var classification = ClassificationSettings()
    package var augmentation = AugmentationSettings()
    package var update = UpdateConfiguration()
    package var schedule = Schedule()
    package var data = DataConfiguration()

    package init() {
        // torch's defaults, which `main_finetune.py` has.
        update.optimizer = AdamW.Configuration(beta1: 0.9, beta2: 0.999)
        data.cropMin = 0.08
    }

    package static var kind: String? { "finetune" }
    /// Images of one micro-batch are mixed with one another.
    package var accumulationDecidesNumbers: Bool { augmentation.mixes }
}

/// What fine-tuning has besides a model and its updates.
package struct ClassificationSettings: Codable, Equatable, Sendable {
    /// The checkpoint that the encoder is of; nil for none.
    package var pretrained: String?
    /// Share of each target that all classes have alike.
    package var smoothing = 0.1
    /// Factor of the learning rate from a layer to the one before.
    package var layerDecay = 0.65
    /// Of the average of the weights that is kept and tested besides; nil for none.
    package var averageDecay: Double?

    package init() {}
}

extension FineTuneConfiguration {
    private enum CodingKeys: String, CodingKey {
        case model
        // `augmentation` is a value of the data.
        case augmented = "trainingAugmentation"
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        model = try container.decode(ClassifierConfiguration.self, forKey: .model)
        classification = try ClassificationSettings(from: decoder)
        augmentation = try container.decode(AugmentationSettings.self, forKey: .augmented)
        update = try UpdateConfiguration(from: decoder)
        schedule = try Schedule(from: decoder)
        data = try DataConfiguration(from: decoder)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(model, forKey: .model)
        try classification.encode(to: encoder)
        try container.encode(augmentation, forKey: .augmented)
        try update.encode(to: encoder)
        try schedule.encode(to: encoder)
        try data.encode(to: encoder)
    }
}
