/// Lists of processors as the kernel writes them: `0-3,8`.
package enum ProcessorList {
    /// What is not understood is left out.
    package static func parse(_ text: String) -> Set<Int> {
        var processors: Set<Int> = []
        for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let bounds = part.split(separator: "-").compactMap { Int($0) }
            guard let first = bounds.first, let last = bounds.last, first <= last, last < 1 << 16 else { continue }
            processors.formUnion(first...last)
        }
        return processors
    }
}
