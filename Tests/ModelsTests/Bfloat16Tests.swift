import Layers
import Models
import Tensors
import Testing

/// Gradients with operands of bfloat16 against fp32's.
///
/// Rounding an operand changes it by up to 2⁻⁹ of itself, on average by about 2⁻¹⁰·√(4/3). A gradient has passed a few
/// roundings in each layer above it, independent of each other, so the error relative to its norm grows like the square
/// root of their number: some 40 in the model below, 0.0011·√40 ≈ 0.7%. The bounds are twice to three times that: an error
/// of 2% at a right angle to the gradient is a cosine of 0.9998.
@Suite("Gradients in bf16 follow those in fp32, tensor by tensor")
struct Bfloat16Tests {
    @Test("cosine and norm", arguments: VisionTransformerConfiguration.Feature.allCases)
    func gradients(feature: VisionTransformerConfiguration.Feature) throws {
        var model = RandomPass.model
        (model.embedDim, model.decoderEmbedDim) = (64, 48)
        model.feature = feature
        let exact = try RandomPass.gradient(model, .float32, images: 16)
        let rounded = try RandomPass.gradient(model, .bfloat16, images: 16)
        #expect(abs(rounded.losses[0] / exact.losses[0] - 1) < 3e-3)
        let parameters = MaskedAutoencoder(model, .float32, plan: MemoryPlan()).parameters
        for specification in parameters.trainable {
            let range = parameters.range(of: specification.name)
            let (a, b) = (exact.values[range], rounded.values[range])
            let norms = (norm(a), norm(b))
            let cosine = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } / (norms.0 * norms.1)
            #expect(cosine > 0.9998, "\(specification.name): cosine \(cosine)")
            #expect(abs(norms.1 / norms.0 - 1) < 0.01, "\(specification.name): \(norms)")
        }
    }

    private func norm(_ values: ArraySlice<Float>) -> Double {
        values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    }
}
