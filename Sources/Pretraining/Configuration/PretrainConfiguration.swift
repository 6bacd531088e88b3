internal import Regularizers
package import TrainingRuns

/// Everything that decides what a run computes. Saved with each checkpoint; all ranks must hold the same.
///
/// It is divided by who reads what. A value of a part can be named without the part, and the JSON has no parts either:
/// checkpoints of any version can be gone on from.
@dynamicMemberLookup
package struct PretrainConfiguration: Equatable, Sendable {
    package var step: StepConfiguration
    package var schedule = Schedule()
    package var data = DataConfiguration()

    package init() { step = StepConfiguration() }
    package init(step: StepConfiguration) { self.step = step }

    package subscript<Value>(dynamicMember path: WritableKeyPath<StepConfiguration, Value>) -> Value {
        get { step[keyPath: path] }
        set { step[keyPath: path] = newValue }
    }

    package subscript<Value>(dynamicMember path: WritableKeyPath<UpdateConfiguration, Value>) -> Value {
        get { step.update[keyPath: path] }
        set { step.update[keyPath: path] = newValue }
    }

    package subscript<Value>(dynamicMember path: WritableKeyPath<Schedule, Value>) -> Value {
        get { schedule[keyPath: path] }
        set { schedule[keyPath: path] = newValue }
    }

    package subscript<Value>(dynamicMember path: WritableKeyPath<DataConfiguration, Value>) -> Value {
        get { data[keyPath: path] }
        set { data[keyPath: path] = newValue }
    }
}

extension PretrainConfiguration: RunConfiguration {
    package static var kind: String? { nil }
    package var update: UpdateConfiguration {
        get { step.update }
        set { step.update = newValue }
    }
    package var accumulationDecidesNumbers: Bool { step.loss.weight != 0 && step.loss.negatives == .micro }
}

extension PretrainConfiguration: Codable {
    package init(from decoder: any Decoder) throws {
        step = try StepConfiguration(from: decoder)
        schedule = try Schedule(from: decoder)
        data = try DataConfiguration(from: decoder)
    }

    package func encode(to encoder: any Encoder) throws {
        try step.encode(to: encoder)
        try schedule.encode(to: encoder)
        try data.encode(to: encoder)
    }
}
