/// Figures on one line, of which the less important ones give way where it is short.
package struct ProgressLine {
    package struct Field {
        package let text: String
        /// 0 goes last.
        package let rank: Int

        package init(_ text: String, rank: Int) {
            self.text = text
            self.rank = rank
        }
    }

    package let fields: [Field]

    package init(fields: [Field]) { self.fields = fields }

    /// - Parameter width: columns there are; nil for as many as it takes.
    package func text(width: Int?) -> String {
        var kept = fields
        while let width, Self.joined(kept).count > width, kept.count > 1 {
            let least = kept.map(\.rank).reduce(0, max)
            kept.removeAll { $0.rank == least }
        }
        let text = Self.joined(kept)
        return width.map { String(text.prefix(max(1, $0))) } ?? text
    }

    private static func joined(_ fields: [Field]) -> String { fields.map(\.text).joined(separator: "  ") }
}
