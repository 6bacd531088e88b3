import Foundation
internal import Layers
internal import Tensors

/// The position embeddings of a stack of blocks [1 + L, D]: the class token's row, then one for each patch in raster order.
struct PositionTable: Sendable {
    let values: Matrix
    /// Nil where positions are fixed.
    let gradient: Matrix?
    private let configuration: VisionTransformerConfiguration
    /// Whether the class token has a position.
    let hasClassToken: Bool

    init(
        _ parameters: ParameterSet, _ name: String, _ configuration: VisionTransformerConfiguration,
        hasClassToken: Bool = true
    ) {
        self.hasClassToken = hasClassToken
        let parameter = parameters[name]
        let (rows, count) = (1 + configuration.patches, parameter.value.count)
        func table(_ matrix: Matrix) -> Matrix { matrix.reshaped(rows: rows, columns: count / rows) }
        values = table(parameter.value)
        gradient = configuration.positions == .learned ? table(parameter.gradient) : nil
        self.configuration = configuration
    }

    static func specification(
        _ name: String, width: Int, _ configuration: VisionTransformerConfiguration
    ) -> ParameterSpecification {
        let isLearned = configuration.positions == .learned
        return ParameterSpecification(
            name, [1, 1 + configuration.patches, width], isLearned ? .normal(0.02) : .computed, isTrainable: isLearned)
    }

    /// Fills fixed positions; trained ones are left alone, but for that of a class token that has none.
    ///
    /// Sines and cosines of two dimensions (facebookresearch/mae `util/pos_embed.py`): the class token's row is zero; of a
    /// patch's row the first half encodes its column and the second its row, each as D/4 sines and D/4 cosines of falling
    /// frequency.
    func compute() {
        if !hasClassToken { values.rows(0..<1).clear() }
        guard configuration.positions == .sincos else { return }
        let quarter = values.columns / 4
        precondition(values.columns % 4 == 0)
        values.fill(0)
        for patch in 0..<configuration.patches {
            let coordinates = [patch % configuration.gridWidth, patch / configuration.gridWidth]
            for (half, coordinate) in coordinates.enumerated() {
                for index in 0..<quarter {
                    let angle = Double(coordinate) / pow(10_000, Double(index) / Double(quarter))
                    values[1 + patch, 2 * half * quarter + index] = Float(sin(angle))
                    values[1 + patch, (2 * half + 1) * quarter + index] = Float(cos(angle))
                }
            }
        }
    }
}
