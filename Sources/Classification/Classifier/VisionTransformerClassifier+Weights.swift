internal import Layers
internal import Models
package import Safetensors
package import Tensors

extension VisionTransformerClassifier {
    /// Fills all tensors as the public code initialises them, from the seed alone.
    package func initialize(seed: UInt64) {
        parameters.initialize(seed: seed)
        encoder.computePositions()
    }

    /// The tensors of a weights file.
    ///
    /// - Parameter values: trained values [1, n], the model's or a copy.
    package func namedTensors(_ values: Matrix) -> [NamedTensor] { parameters.namedTensors(values) }

    /// Fills every tensor from the weights of a classifier of the same shape.
    ///
    /// - Throws: `SafetensorsError` naming the first tensor that is missing or has another shape.
    package func loadWeights(from file: SafetensorsFile) throws { try parameters.loadWeights(from: file) }

    /// Fills the encoder's tensors from weights of pretraining; those of a decoder are left alone. The head stays as it is,
    /// and so does `fc_norm` where pretraining had none.
    ///
    /// Positions of another grid of patches are interpolated, the fixed ones of sines and cosines too, as
    /// facebookresearch/mae's `interpolate_pos_embed` does with what it finds.
    ///
    /// - Parameter grid: of patches in pretraining; nil for a square one of as many as there are positions.
    /// - Throws: `SafetensorsError` naming the first tensor that is missing or has another shape.
    package func loadEncoder(from file: SafetensorsFile, grid: PatchGrid? = nil) throws {
        for specification in VisionTransformer.specifications(encoder.configuration) {
            let name = specification.name
            if name == "pos_embed" {
                try loadPositions(specification, from: file, grid)
            } else if file[name] != nil || !name.hasPrefix("fc_norm.") {
                try file.read(name, shape: specification.shape, into: parameters[name].value)
            }
        }
    }

    private func loadPositions(
        _ specification: ParameterSpecification, from file: SafetensorsFile, _ grid: PatchGrid?
    ) throws {
        let (name, c) = (specification.name, encoder.configuration)
        let own = PatchGrid(height: c.gridHeight, width: c.gridWidth)
        let table = parameters[name].value.reshaped(rows: 1 + c.patches, columns: c.embedDim)
        let shape = file[name]?.shape
        guard let shape, shape.count == 3, shape[0] == 1, shape[2] == c.embedDim, shape[1] > 1,
            let found = grid ?? PatchGrid(squareOf: shape[1] - 1), found.count == shape[1] - 1, found != own
        else {
            // The same grid, or nothing that can be interpolated.
            return try file.read(name, shape: specification.shape, into: table)
        }
        let read = Matrix(rows: shape[1], columns: c.embedDim)
        try file.read(name, shape: shape, into: read)
        table.rows(0..<1).copy(from: read.rows(0..<1))
        found.interpolate(read.rows(1..<read.rows), to: own, into: table.rows(1..<table.rows))
    }
}
