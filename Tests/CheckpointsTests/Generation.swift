import Checkpoints
import Foundation
import Safetensors
import Tensors

func content(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

/// A safetensors file: length, header and data.
func safetensors(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    let text = Array(header.utf8)
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) } + text + data
}

/// A run whose weights, moments and state all carry the same number, so that a mixture of two saves is noticed.
struct Generation: Codable, Equatable {
    var number: Double
    var seed: UInt64 = .max

    private var values: Matrix {
        let values = Matrix(rows: 300, columns: 7)
        values.fill(Float(number))
        return values
    }

    var tensors: [NamedTensor] { [NamedTensor("blocks.0.weight", shape: [300, 7], values)] }

    @discardableResult
    func save(
        in store: CheckpointStore, step: Int, observer: (CommitStep) -> Void = { _ in }
    ) throws -> CheckpointStore.SaveResult {
        try store.save(step: step, weights: tensors, optimizer: tensors, state: self, observer: observer)
    }

    /// The number of a checkpoint; nil if its parts disagree.
    static func number(of checkpoint: Checkpoint) throws -> Double? {
        let state = try checkpoint.state(completedFrom: Generation(number: 0), requiring: ["number"])
        let weights = try checkpoint.weights().floats("blocks.0.weight")
        let moments = try checkpoint.optimizer().floats("blocks.0.weight")
        let expected = [Float](repeating: Float(state.number), count: 2100)
        return weights == expected && moments == expected ? state.number : nil
    }
}
