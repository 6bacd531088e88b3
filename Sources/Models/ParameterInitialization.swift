import Foundation
package import Layers
internal import Tensors

extension ParameterSet {
    /// Fills all tensors but computed ones as the public code initialises them, from the seed alone.
    package func initialize(seed: UInt64) {
        for (index, specification) in specifications.enumerated() {
            let value = self[specification.name].value
            var random = SampleRandom(seed: seed, epoch: 0, sample: index, purpose: .initialization)
            switch specification.initialization {
            case .zeros: value.fill(0)
            case .ones: value.fill(1)
            case .normal(let deviation): Self.fill(value) { deviation * random.normal() }
            case .xavierUniform:
                let bound = (6 / Double(value.rows + value.columns)).squareRoot()
                Self.fill(value) { Float(random.uniform(-bound, bound)) }
            case .computed: break
            }
        }
    }

    private static func fill(_ value: Matrix, _ draw: () -> Float) {
        value.withMutableElements { elements in
            for index in elements.indices { elements[index] = draw() }
        }
    }
}
