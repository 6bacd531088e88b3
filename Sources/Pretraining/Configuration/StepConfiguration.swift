package import Models
package import TrainingRuns

/// What a training step computes, but for its images and its rate.
@dynamicMemberLookup
package struct StepConfiguration: Equatable, Sendable {
    package var model = MaskedAutoencoderConfiguration()
    package var loss = LossConfiguration()
    package var update = UpdateConfiguration()

    package init() {}

    package subscript<Value>(dynamicMember path: WritableKeyPath<UpdateConfiguration, Value>) -> Value {
        get { update[keyPath: path] }
        set { update[keyPath: path] = newValue }
    }

    /// Multiplications and additions of a step for each image, in all its views; see
    /// `MaskedAutoencoderConfiguration.flopsPerImage`.
    package var flopsPerImage: Double { Double(loss.masksPerImage) * model.flopsPerImage }

    /// How often a step sees its micro-batches: twice where the regulariser spans them all.
    package var turnsPerStep: Int { loss.encodesTwice(update.accumulation) ? 2 : 1 }
}

extension StepConfiguration: Codable {
    private enum CodingKeys: CodingKey { case model, loss }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        model = try container.decode(MaskedAutoencoderConfiguration.self, forKey: .model)
        loss = try container.decode(LossConfiguration.self, forKey: .loss)
        update = try UpdateConfiguration(from: decoder)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(model, forKey: .model)
        try container.encode(loss, forKey: .loss)
        try update.encode(to: encoder)
    }
}
