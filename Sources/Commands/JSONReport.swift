internal import Foundation

/// What commands print for programs to read.
package enum JSONReport {
    /// One object, its keys in order.
    ///
    /// - Parameter usesSnakeCase: whether keys that do not say so themselves are written in snake case.
    package static func text(_ value: some Encodable, usesSnakeCase: Bool = false) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        if usesSnakeCase { encoder.keyEncodingStrategy = .convertToSnakeCase }
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
