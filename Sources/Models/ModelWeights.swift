package import Layers
package import Safetensors
package import Tensors

extension ParameterSet {
    /// The tensors of a weights file under their names, trained or not.
    ///
    /// - Parameter values: trained values [1, n].
    package func namedTensors(_ values: Matrix) -> [NamedTensor] {
        specifications.map {
            NamedTensor(
                $0.name, shape: $0.shape, ($0.isTrainable ? values : constants).columns(range(of: $0.name)))
        }
    }

    /// Fills every tensor from `file`, but for computed ones that it lacks. Tensors that are not in the set are left alone.
    ///
    /// - Throws: `SafetensorsError` naming the first tensor that is missing or has another shape.
    package func loadWeights(from file: SafetensorsFile) throws {
        for specification in specifications {
            if specification.initialization == .computed && file[specification.name] == nil { continue }
            try file.read(specification.name, shape: specification.shape, into: self[specification.name].value)
        }
    }
}

extension MaskedAutoencoder {
    /// Fills all tensors as the public code initialises them, from the seed alone.
    package func initialize(seed: UInt64) {
        parameters.initialize(seed: seed)
        computePositions()
    }

    /// The tensors of a weights file: facebookresearch/mae's names, trained or not, and `fc` if there is a classifier.
    ///
    /// - Parameter values: trained values [1, n], the model's or a copy.
    package func namedTensors(_ values: Matrix) -> [NamedTensor] { parameters.namedTensors(values) }

    /// Fills every tensor from `file`. Fixed positions are computed if the file lacks them; tensors the model does not
    /// have are left alone.
    ///
    /// - Throws: `SafetensorsError` naming the first tensor that is missing or has another shape.
    package func loadWeights(from file: SafetensorsFile) throws {
        computePositions()
        try parameters.loadWeights(from: file)
    }
}
