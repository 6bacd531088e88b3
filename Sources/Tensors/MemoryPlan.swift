/// Makes the matrices of a training step and keeps account of them, so that the plan can be printed, compared with
/// the machine's memory before the first step, and held against what was used.
package final class MemoryPlan {
    /// What memory is for, in the order in which it is reported.
    package enum Purpose: String, CaseIterable, Sendable {
        case weights, gradients, moments, activations, workspace, batches, exchange, saving
    }

    package struct Entry: Sendable {
        package let purpose: Purpose
        package let name: String
        package let bytes: Int
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    package func matrix(_ purpose: Purpose, _ name: String, rows: Int, columns: Int) -> Matrix {
        view(purpose, name, rows: rows, columns: columns)
    }

    package func indices(_ purpose: Purpose, _ name: String, rows: Int, columns: Int) -> IndexMatrix {
        view(purpose, name, rows: rows, columns: columns)
    }

    package func view<Element>(_ purpose: Purpose, _ name: String, rows: Int, columns: Int) -> MatrixView<Element> {
        let view = MatrixView<Element>(rows: rows, columns: columns)
        entries.append(Entry(purpose: purpose, name: name, bytes: view.byteCount))
        return view
    }

    package func bytes(for purpose: Purpose) -> Int {
        entries.reduce(0) { $0 + ($1.purpose == purpose ? $1.bytes : 0) }
    }

    package var totalBytes: Int { entries.reduce(0) { $0 + $1.bytes } }
}
