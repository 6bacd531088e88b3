import Foundation

/// Configurations as lines of text, for comparing ranks and for reading.
package enum ConfigurationText {
    /// One line per value, sorted by key; equal configurations have equal lines.
    package static func lines(of configuration: some Encodable) throws -> [String] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(configuration), as: UTF8.self)
        return text.split(separator: "\n").map {
            $0.trimmingCharacters(in: CharacterSet(charactersIn: " ,{}"))
        }.filter { !$0.isEmpty }
    }
}
