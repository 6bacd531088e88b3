import Classification
import Foundation
import Layers
import Models
import Optimization
import Safetensors
import Tensors
import TestSupport
import Testing

@Suite("A classifier's weights")
struct ClassifierWeightsTests {
    private func model(
        _ c: ClassifierConfiguration = ClassificationFixture.configuration(.mean)
    ) -> VisionTransformerClassifier {
        let model = VisionTransformerClassifier(c, .float32, plan: MemoryPlan())
        model.initialize(seed: 1)
        return model
    }

    private func values(_ model: VisionTransformerClassifier, _ name: String) -> [Float] {
        model.parameters[name].value.array
    }

    /// Writes the weights of an encoder that pretraining might have made.
    private func pretrained(
        _ c: VisionTransformerConfiguration, in directory: TemporaryDirectory, leavingOut: String? = nil
    ) throws -> (SafetensorsFile, ParameterSet) {
        var c = c
        c.finalNorm = true
        let parameters = ParameterSet(VisionTransformer.specifications(c), plan: MemoryPlan())
        for index in 0..<parameters.values.columns { parameters.values[0, index] = Float(index % 1013) / 1013 - 0.4 }
        let path = directory.path + "/pretrained.safetensors"
        try SafetensorsWriter.write(
            parameters.namedTensors(parameters.values).filter { $0.name != leavingOut }, to: path)
        return (try SafetensorsFile(path: path), parameters)
    }

    @Test("all of a pretrained encoder's shape is kept, and survives a file")
    func shape() throws {
        var encoder = VisionTransformerConfiguration()
        (encoder.imageHeight, encoder.imageWidth, encoder.patchSize, encoder.channels) = (8, 12, 4, 2)
        (encoder.embedDim, encoder.depth, encoder.heads, encoder.mlpRatio) = (20, 3, 5, 2.5)
        (encoder.qkvBias, encoder.normEpsilon, encoder.clsPosition) = (false, 1e-5, false)
        var c = ClassifierConfiguration(of: encoder, classes: 4)
        (c.pooling, c.dropPath) = (.cls, 0.2)
        encoder.positions = .learned
        encoder.feature = .clsOnce
        #expect(c.encoder == encoder)
        #expect(try JSONDecoder().decode(ClassifierConfiguration.self, from: JSONEncoder().encode(c)) == c)
        // A class token without a position has none from scratch either.
        let model = model(c)
        #expect(values(model, "pos_embed").prefix(20).allSatisfy { $0 == 0 })
        #expect(values(model, "pos_embed").dropFirst(20).contains { $0 != 0 })
        #expect(!model.parameters.specifications.contains { $0.name.hasSuffix("qkv.bias") })
    }

    @Test("the head begins with nearly nothing, and fc_norm as it is made")
    func initialization() {
        let model = model()
        let head = values(model, "head.weight").map(Double.init)
        let deviation = (head.reduce(0) { $0 + $1 * $1 } / Double(head.count)).squareRoot()
        #expect(deviation > 1e-5 && deviation < 3e-5)
        #expect(values(model, "head.bias").allSatisfy { $0 == 0 })
        #expect(values(model, "fc_norm.weight").allSatisfy { $0 == 1 })
    }

    @Test(
        "the encoder is pretraining's, fc_norm too where it had one; the head stays",
        arguments: ClassifierConfiguration.Pooling.allCases, VisionTransformerConfiguration.Feature.allCases)
    func fromPretraining(
        pooling: ClassifierConfiguration.Pooling, feature: VisionTransformerConfiguration.Feature
    ) throws {
        let directory = try TemporaryDirectory()
        var encoder = ClassificationFixture.configuration(pooling).encoder
        encoder.feature = feature
        encoder.finalNorm = true
        let (file, parameters) = try pretrained(encoder, in: directory)
        let (model, before) = (
            model(ClassificationFixture.configuration(pooling)), model(ClassificationFixture.configuration(pooling))
        )
        try model.loadEncoder(from: file)
        for specification in model.parameters.specifications {
            let name = specification.name
            let isOwn = name.hasPrefix("head.") || (name.hasPrefix("fc_norm.") && feature != .pooled)
            #expect(
                values(model, name) == (isOwn ? values(before, name) : parameters[name].value.array), "\(name)")
        }
        #expect(model.parameters.specifications.contains { $0.name == "norm.weight" } == (pooling == .cls))
    }

    @Test("a tensor that is missing is named", arguments: ["blocks.2.mlp.fc1.weight", "pos_embed", "cls_token"])
    func missing(name: String) throws {
        let directory = try TemporaryDirectory()
        let (file, _) = try pretrained(
            ClassificationFixture.configuration(.mean).encoder, in: directory, leavingOut: name)
        let error = thrownError(SafetensorsError.self) { try model().loadEncoder(from: file) }
        #expect(
            error?.description.contains("tensor '\(name)': is not in the file") == true, "\(String(describing: error))")
        #expect(error?.description.contains("\n") == false)
    }

    @Test("a classifier of another shape is refused by the tensor that shows it")
    func otherShape() throws {
        let directory = try TemporaryDirectory()
        var other = ClassificationFixture.configuration(.mean)
        other.classes = 9
        let written = model(other)
        let path = directory.path + "/classifier.safetensors"
        try SafetensorsWriter.write(written.namedTensors(written.parameters.values), to: path)
        let error = thrownError(SafetensorsError.self) {
            try model().loadWeights(from: SafetensorsFile(path: path))
        }
        #expect(error?.description.contains("'head.weight': has shape [9, 12], expected [7, 12]") == true)
    }

    @Test("positions of another grid are interpolated as PyTorch does it", arguments: 0..<4)
    func positions(index: Int) throws {
        let fixture = try ClassificationFixture()
        let grids = try fixture.values("positions.\(index).grids").map { Int($0) }
        let (old, new) = (PatchGrid(height: grids[0], width: grids[1]), PatchGrid(height: grids[2], width: grids[3]))
        var c = ClassificationFixture.configuration(.mean)
        (c.imageHeight, c.imageWidth) = (old.height * c.patchSize, old.width * c.patchSize)
        let directory = try TemporaryDirectory()
        let (_, parameters) = try pretrained(c.encoder, in: directory)
        parameters["pos_embed"].value.copy(from: try fixture.values("positions.\(index).table"))
        let path = directory.path + "/other.safetensors"
        try SafetensorsWriter.write(parameters.namedTensors(parameters.values), to: path)

        (c.imageHeight, c.imageWidth) = (new.height * c.patchSize, new.width * c.patchSize)
        let model = model(c)
        let file = try SafetensorsFile(path: path)
        try model.loadEncoder(from: file, grid: old)
        let expected = try fixture.values("positions.\(index).expected")
        #expect(relativeError(values(model, "pos_embed"), expected) < 1e-6)
        // A square grid need not be told; of another, only its number of positions is known.
        let error = thrownError(SafetensorsError.self) { try model.loadEncoder(from: file) }
        #expect((error == nil) == (old.height == old.width))
    }

    @Test(
        "rates fall from layer to layer as the public code has it", arguments: ClassifierConfiguration.Pooling.allCases)
    func layerDecay(pooling: ClassifierConfiguration.Pooling) throws {
        let fixture = try ClassificationFixture()
        let model = model(ClassificationFixture.configuration(pooling))
        let groups = model.parameterGroups(layerDecay: 0.65)
        #expect(groups.count == model.parameters.trainable.count)
        for (tensor, group) in zip(model.parameters.trainable, groups) {
            #expect(group.range == model.parameters.range(of: tensor.name))
            let expected = try fixture.values("group.\(tensor.name)")
            #expect(abs(group.rateScale - Double(expected[0])) < 1e-6, "\(tensor.name)")
            #expect(group.decays == (expected[1] == 1), "\(tensor.name)")
        }
        #expect(groups.count { $0.rateScale == 1 } == 4)
        #expect(model.parameterGroups(layerDecay: 1).allSatisfy { $0.rateScale == 1 })
    }
}
