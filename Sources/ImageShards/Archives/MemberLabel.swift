internal import Foundation
internal import ImageFiles
internal import ImageSources

/// The labels that WebDataset keeps beside images: `KEY.cls`, a whole number as text, and `KEY.json`, an object with one
/// under "label" or "cls".
enum MemberLabel {
    /// Beyond it a member is no description of an image.
    static var limit: Int { 1 << 20 }

    enum Kind: String {
        case text = "cls"
        case object = "json"
    }

    private struct Description: Decodable {
        let label: Int?
        let cls: Int?
    }

    /// - Parameter name: of the member, for the error.
    /// - Returns: nil for an object that has none.
    static func value(_ kind: Kind, _ bytes: [UInt8], name: [UInt8]) throws(ArchiveProblem) -> Int32? {
        let found: Int?
        switch kind {
        case .text:
            found = Int(String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
        case .object:
            do {
                let object = try JSONDecoder().decode(Description.self, from: Data(bytes))
                found = object.label ?? object.cls
            } catch {
                found = -1
            }
        }
        guard let found else { return nil }
        guard (0..<SampleIndex.mostClasses).contains(found) else {
            throw .badLabel(
                member: String(decoding: name, as: UTF8.self), text: String(decoding: bytes.prefix(100), as: UTF8.self),
                largest: SampleIndex.mostClasses - 1)
        }
        return Int32(found)
    }
}
