internal import Layers
package import Safetensors
package import Tensors

extension MaskedAutoencoder {
    /// The tensors of a weights file: facebookresearch/mae's names, trained or not, and `fc` if there is a classifier.
    package var namedTensors: [NamedTensor] { namedTensors(parameters.values) }

    /// The same with other trained values [1, n].
    package func namedTensors(_ values: Matrix) -> [NamedTensor] {
        parameters.specifications.map {
            let buffer = $0.isTrainable ? values : parameters.constants
            return NamedTensor($0.name, shape: $0.shape, buffer.columns(parameters.range(of: $0.name)))
        }
    }

    /// Fills every tensor from `file`. Fixed positions are computed if the file lacks them; tensors the model does not
    /// have are left alone.
    ///
    /// - Throws: `SafetensorsError` naming the first tensor that is missing or has another shape.
    package func loadWeights(from file: SafetensorsFile) throws {
        computePositions()
        for specification in parameters.specifications {
            if specification.initialization == .computed && file[specification.name] == nil { continue }
            try file.read(
                specification.name, shape: specification.shape, into: parameters[specification.name].value)
        }
    }
}
