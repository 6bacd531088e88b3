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

        /// The name with `*` in place of each part that is a number: of all blocks, threads or slots the same.
        var kind: String {
            let words = name.split(separator: " ").map { word in
                word.split(separator: ".").map { Int($0) == nil ? $0 : "*" }.joined(separator: ".")
            }
            return words.joined(separator: " ")
        }
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

    /// What takes most of the memory for a purpose, entries whose names differ by numbers alone taken together; nil where
    /// there is only one kind.
    package func largest(for purpose: Purpose) -> (kind: String, bytes: Int)? {
        let kinds = Dictionary(grouping: entries.lazy.filter { $0.purpose == purpose && $0.bytes > 0 }, by: \.kind)
        guard kinds.count > 1 else { return nil }
        return kinds.map { ($0.key, Self.sum($0.value.lazy.map(\.bytes))) }.max { ($0.1, $1.0) < ($1.1, $0.0) }
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
