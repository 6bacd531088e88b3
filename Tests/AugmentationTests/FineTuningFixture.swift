import Foundation
import ImageCodecs
import Safetensors
import Testing

/// What timm and facebookresearch/mae make of draws that are given (scripts/fixtures/augmentation_finetune.py).
struct FineTuningFixture {
    private let file: SafetensorsFile

    init() throws {
        let path = Bundle.module.path(forResource: "finetuning", ofType: "safetensors", inDirectory: "Fixtures")
        file = try SafetensorsFile(path: try #require(path))
    }

    func values(_ name: String) throws -> [Float] { try file.floats(name) }

    /// A matrix, row by row.
    func rows(_ name: String, of count: Int) throws -> [[Double]] {
        let values = try file.floats(name).map(Double.init)
        return stride(from: 0, to: values.count, by: count).map { Array(values[$0..<$0 + count]) }
    }
}

extension ImageSize {
    init(_ height: Double, _ width: Double) { self.init(height: Int(height), width: Int(width)) }
}
