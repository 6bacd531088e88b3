import Foundation
internal import Layers
internal import Tensors

extension MaskedAutoencoder {
    /// Fills all tensors as the public code initialises them, from the seed alone.
    package func initialize(seed: UInt64) {
        for (index, specification) in parameters.specifications.enumerated() {
            let value = parameters[specification.name].value
            var random = SampleRandom(seed: seed, epoch: 0, sample: index, purpose: .initialization)
            switch specification.initialization {
            case .zeros: value.fill(0)
            case .ones: value.fill(1)
            case .normal(let deviation): fill(value) { deviation * random.normal() }
            case .xavierUniform:
                let bound = (6 / Double(value.rows + value.columns)).squareRoot()
                fill(value) { Float(random.uniform(-bound, bound)) }
            case .computed: break
            }
        }
        computePositions()
    }

    /// Fills the fixed position tables; trained ones are left alone.
    package func computePositions() {
        guard configuration.positions == .sincos else { return }
        for table in [posEmbed.value, decoderPosEmbed.value] {
            SinCosPositions.fill(table, gridHeight: configuration.gridHeight, gridWidth: configuration.gridWidth)
        }
    }

    private func fill(_ value: Matrix, _ draw: () -> Float) {
        value.withMutableElements { elements in
            for index in elements.indices { elements[index] = draw() }
        }
    }
}

extension SampleRandom {
    /// Standard normal (Box and Muller 1958).
    package mutating func normal() -> Float {
        let radius = (-2 * log(1 - Double(uniform()))).squareRoot()
        return Float(radius * cos(2 * .pi * Double(uniform())))
    }
}
