internal import Foundation
internal import Tensors

/// The loss of a classifier, and its gradient.
enum CrossEntropy {
    /// Replaces logits [1, C] by the gradient of their cross-entropy, which it returns.
    static func differentiate(_ logits: Matrix, _ label: Int) -> Double {
        logits.withMutableElements { row in
            var top = row[0]
            for index in row.indices { top = max(top, row[index]) }
            let own = Double(row[label] - top)
            var total = 0.0
            for index in row.indices {
                row[index] = exp(row[index] - top)
                total += Double(row[index])
            }
            for index in row.indices { row[index] = Float(Double(row[index]) / total) - (index == label ? 1 : 0) }
            return log(total) - own
        }
    }
}
