package import Checkpoints

extension Checkpoint {
    /// The command whose run it is of, as `finetune`; nil for pretraining, whose checkpoints do not say.
    ///
    /// - Throws: if the state cannot be read.
    package func kindOfRun() throws -> String? {
        try state(completedFrom: KindOfRun(), requiring: []).kind
    }
}

/// The part of a state that every kind of run writes alike.
private struct KindOfRun: Codable {
    var kind: String?
}
