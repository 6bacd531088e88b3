/// Makes the matrices of a training step and keeps account of them, so that the plan can be printed, compared with
/// the machine's memory before any is asked for, and held against what was used.
package final class MemoryPlan {
    /// What memory is for, in the order in which it is reported.
    package enum Purpose: String, CaseIterable, Sendable {
        case weights, gradients, moments, activations, workspace, batches, exchange, saving, data
    }

    package struct Entry: Sendable {
        package let purpose: Purpose
        package let name: String
        package let bytes: Int
    }

    package private(set) var entries: [Entry] = []

    /// Whether what is made has memory; otherwise a step is laid out only to be counted, and nothing of it may be touched.
    package let isBacked: Bool

    package init(isBacked: Bool = true) { self.isBacked = isBacked }

    /// Accounts for memory that somebody else has or will have.
    package func add(_ purpose: Purpose, _ name: String, bytes: Int) {
        entries.append(Entry(purpose: purpose, name: name, bytes: bytes))
    }

    package func matrix(_ purpose: Purpose, _ name: String, rows: Int, columns: Int) -> Matrix {
        view(purpose, name, rows: rows, columns: columns)
    }

    package func indices(_ purpose: Purpose, _ name: String, rows: Int, columns: Int) -> IndexMatrix {
        view(purpose, name, rows: rows, columns: columns)
    }

    package func view<Element>(_ purpose: Purpose, _ name: String, rows: Int, columns: Int) -> MatrixView<Element> {
        let view =
            isBacked
            ? MatrixView<Element>(rows: rows, columns: columns)
            : MatrixView<Element>(unbackedRows: rows, columns: columns)
        add(purpose, name, bytes: view.byteCount)
        return view
    }

    package func bytes(for purpose: Purpose) -> Int {
        Self.sum(entries.lazy.filter { $0.purpose == purpose }.map(\.bytes))
    }

    package var totalBytes: Int { Self.sum(entries.lazy.map(\.bytes)) }

    /// What exceeds all counting is as much as can be counted.
    private static func sum(_ bytes: some Sequence<Int>) -> Int {
        bytes.reduce(0) { total, next in
            let (sum, isTooLarge) = total.addingReportingOverflow(next)
            return isTooLarge ? Int.max : sum
        }
    }
}
