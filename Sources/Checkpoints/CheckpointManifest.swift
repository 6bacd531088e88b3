import Foundation
internal import Host

/// The file that is written last and makes a directory a checkpoint: what the other files must be.
struct CheckpointManifest: Codable, Equatable {
    let version: Int
    let step: Int
    let files: [String: FileRecord]
    /// Whether newer checkpoints never push it out.
    let isPermanent: Bool?
    /// The run that wrote it; nil where an earlier version did.
    let run: String?

    static var fileName: String { "manifest.json" }
    static var currentVersion: Int { 1 }
    /// The largest manifest that is read, in bytes; one has some hundred.
    private static var maximumSize: Int { 1 << 20 }

    init(step: Int, files: [String: FileRecord], isPermanent: Bool = false, run: String? = nil) {
        self.run = run
        version = Self.currentVersion
        self.step = step
        self.files = files
        // Absent where it is not, so that earlier versions read it.
        self.isPermanent = isPermanent ? true : nil
    }

    /// Reads the manifest of a checkpoint directory.
    ///
    /// - Throws: `notACheckpoint` if there is none, `manifestInvalid`, `unsupportedVersion`, or it cannot be read.
    init(directory: String) throws {
        let path = Directories.child(directory, Self.fileName)
        let content = try Self.content(path, of: directory)
        // The version first: another version may have other fields.
        let version = try Self.decode(Version.self, content, path).version
        if version != Self.currentVersion { throw CheckpointError(path: path, .unsupportedVersion(version)) }
        self = try Self.decode(Self.self, content, path)
        if let name = CheckpointFile.allCases.map(\.rawValue).first(where: { files[$0] == nil }) {
            throw CheckpointError(path: path, .manifestInvalid("it does not list \(name)"))
        }
    }

    private static func content(_ path: String, of directory: String) throws -> [UInt8] {
        do throws(FileError) {
            return try TextFile.content(of: path, limit: maximumSize)
        } catch {
            guard error.isMissing && Directories.exists(directory) else { throw error }
            throw CheckpointError(path: directory, .notACheckpoint)
        }
    }

    func encoded(path: String) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
        } catch {
            throw CheckpointError(path: path, .manifestInvalid(summary(of: error)))
        }
    }

    private struct Version: Decodable { let version: Int }

    private static func decode<Value: Decodable>(
        _ type: Value.Type, _ content: [UInt8], _ path: String
    ) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(content))
        } catch {
            throw CheckpointError(path: path, .manifestInvalid(summary(of: error)))
        }
    }
}

/// The files of a checkpoint besides its manifest.
package enum CheckpointFile: String, CaseIterable, Sendable {
    case weights = "model.safetensors"
    case optimizer = "optimizer.safetensors"
    case state = "state.json"
}

/// What a coding error says, with the key it concerns.
func summary(of error: any Error) -> String {
    func text(_ context: DecodingError.Context) -> String { text(context.codingPath, context.debugDescription) }
    func text(_ path: [any CodingKey], _ description: String) -> String {
        path.isEmpty ? description : "\(path.map(\.stringValue).joined(separator: ".")): \(description)"
    }
    switch error {
    case DecodingError.keyNotFound(let key, let context):
        return text(context.codingPath, "lacks '\(key.stringValue)'")
    case DecodingError.valueNotFound(_, let context), DecodingError.typeMismatch(_, let context),
        DecodingError.dataCorrupted(let context):
        return text(context)
    case EncodingError.invalidValue(_, let context):
        return text(context.codingPath, context.debugDescription)
    default:
        return String(describing: error)
    }
}
