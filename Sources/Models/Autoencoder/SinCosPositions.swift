import Foundation
internal import Tensors

/// Fixed 2-D sine and cosine positions (facebookresearch/mae `util/pos_embed.py`).
enum SinCosPositions {
    /// Fills `table` [1 + L, D]: the class token's row is zero; of a patch's row the first half encodes its column and
    /// the second its row, each as D/4 sines and D/4 cosines of falling frequency.
    static func fill(_ table: Matrix, gridHeight: Int, gridWidth: Int) {
        let quarter = table.columns / 4
        precondition(table.columns % 4 == 0 && table.rows == 1 + gridHeight * gridWidth)
        table.fill(0)
        for patch in 0..<gridHeight * gridWidth {
            let coordinates = [patch % gridWidth, patch / gridWidth]
            for (half, coordinate) in coordinates.enumerated() {
                for index in 0..<quarter {
                    let angle = Double(coordinate) / pow(10_000, Double(index) / Double(quarter))
                    table[1 + patch, 2 * half * quarter + index] = Float(sin(angle))
                    table[1 + patch, (2 * half + 1) * quarter + index] = Float(cos(angle))
                }
            }
        }
    }
}
