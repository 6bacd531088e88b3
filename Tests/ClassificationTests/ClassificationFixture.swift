import Classification
import Foundation
import Layers
import Models
import Safetensors
import Tensors
import Testing

/// What PyTorch and timm make of a small classifier (scripts/fixtures/classification.py).
struct ClassificationFixture {
    static let images = 5
    private let file: SafetensorsFile
    let weights: SafetensorsFile

    init() throws {
        file = try SafetensorsFile(path: Self.path("classification"))
        weights = try SafetensorsFile(path: Self.path("classifier.weights"))
    }

    private static func path(_ name: String) throws -> String {
        try #require(Bundle.module.path(forResource: name, ofType: "safetensors", inDirectory: "Fixtures"))
    }

    var names: [String] { file.names }
    func values(_ name: String) throws -> [Float] { try file.floats(name) }

    /// A tensor as a matrix whose rows are its first axes.
    func matrix(_ name: String) throws -> Matrix {
        let shape = try #require(file[name]).shape
        let columns = shape.count == 4 ? shape[1...].reduce(1, *) : shape[shape.count - 1]
        let values = try file.floats(name)
        return Matrix(rows: values.count / columns, columns: columns, values: values)
    }

    func labels(_ name: String) throws -> [Int32] { try file.floats(name).map { Int32($0) } }

    /// Its factors of branches in place of drawn ones.
    func setFactors(of activations: VisionTransformerClassifier.Activations) throws {
        let dropPath = try #require(activations.encoder.dropPath)
        let given = try matrix("factors")
        for branch in 0..<given.rows {
            for image in 0..<Self.images { dropPath.set(given[branch, image], branch: branch, image: image) }
        }
    }

    static func configuration(
        _ pooling: ClassifierConfiguration.Pooling, dropPath: Double = 0
    ) -> ClassifierConfiguration {
        var c = ClassifierConfiguration()
        (c.imageHeight, c.imageWidth, c.patchSize, c.channels) = (8, 12, 4, 3)
        (c.embedDim, c.depth, c.heads, c.mlpRatio) = (12, 4, 2, 2.5)
        (c.pooling, c.classes, c.dropPath) = (pooling, 7, dropPath)
        return c
    }

    /// The labels of its images, mixed or each of the first class alone.
    func mixedLabels(isMixed: Bool) throws -> MixedLabels {
        let mixed = MixedLabels(images: Self.images, plan: MemoryPlan())
        mixed.first.copy(from: try labels("first"))
        mixed.second.copy(from: try labels(isMixed ? "second" : "first"))
        mixed.weight.copy(from: try isMixed ? values("share") : [Float](repeating: 1, count: Self.images))
        return mixed
    }
}
