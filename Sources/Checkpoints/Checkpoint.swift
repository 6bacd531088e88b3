package import Safetensors
import Foundation
package import Host

/// A checkpoint directory: weights, optimizer moments and run state of one step.
package struct Checkpoint: Equatable, Sendable {
    /// Optimizer steps taken when it was written.
    package let step: Int
    package let path: String

    /// Compares size and CRC-32 of every file with the manifest; reads all of them once.
    ///
    /// - Throws: the `FileError` of the first file that is missing or damaged, or the `CheckpointError` of the manifest.
    package func validate() throws {
        let manifest = try manifest()
        for file in CheckpointFile.allCases { try manifest.files[file.rawValue]?.verify(path: self.path(of: file)) }
    }

    /// Compares the files' sizes alone.
    func validateSizes() throws {
        let manifest = try manifest()
        for file in CheckpointFile.allCases { try manifest.files[file.rawValue]?.verifySize(path: self.path(of: file)) }
    }

    /// Whether newer checkpoints never push it out; one that cannot be read is not known to be.
    package var isPermanent: Bool { (try? CheckpointManifest(directory: path).isPermanent) == true }

    /// The run that wrote it; nil where that is not known.
    package var run: String? { (try? CheckpointManifest(directory: path))?.run }

    package func path(of file: CheckpointFile) -> String { Directories.child(path, file.rawValue) }

    /// What its manifest says of one of its files.
    ///
    /// - Throws: if the manifest cannot be read.
    package func record(of file: CheckpointFile) throws -> FileRecord? { try manifest().files[file.rawValue] }

    package func weights() throws -> SafetensorsFile {
        try SafetensorsFile(path: path(of: .weights))
    }

    package func optimizer() throws -> SafetensorsFile {
        try SafetensorsFile(path: path(of: .optimizer))
    }

    /// The state that was given to `CheckpointStore.save`, also by an earlier version or a later one.
    ///
    /// - Parameters:
    ///   - defaults: where keys are taken from that the file lacks, at any depth, since they were introduced after it was
    ///     written; keys that are not known are passed over.
    ///   - required: keys at the top that every version has written.
    /// - Throws: `stateInvalid` with the key concerned, or the file cannot be read.
    package func state<State: Codable>(
        completedFrom defaults: State, requiring required: Set<String>
    ) throws -> State {
        let path = path(of: .state)
        let content = try TextFile.content(of: path, limit: StateCoding.maximumSize)
        do {
            return try StateCoding.decode(Data(content), completedFrom: defaults, requiring: required)
        } catch {
            throw CheckpointError(path: path, .stateInvalid(summary(of: error)))
        }
    }

    private func manifest() throws -> CheckpointManifest {
        let manifest = try CheckpointManifest(directory: path)
        if manifest.step != step {
            let problem = "it is of step \(manifest.step), its directory of step \(step)"
            throw CheckpointError(path: path, .manifestInvalid(problem))
        }
        return manifest
    }
}

/// How run state becomes JSON. Finite floating-point numbers keep every bit; infinities and NaN become strings.
enum StateCoding {
    /// The largest state that is read, in bytes.
    static var maximumSize: Int { 1 << 28 }

    static func encode(_ state: some Encodable, path: String) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        do {
            return Array(try encoder.encode(state)) + [UInt8(ascii: "\n")]
        } catch {
            throw CheckpointError(path: path, .stateNotEncodable(summary(of: error)))
        }
    }

    /// A state as it is, to the last bit; where keys are missing, with those of `defaults` but for the required ones.
    static func decode<State: Codable>(
        _ saved: Data, completedFrom defaults: State, requiring required: Set<String>
    ) throws -> State {
        do { return try decoder().decode(State.self, from: saved) } catch DecodingError.keyNotFound {
            let encoded = try encode(defaults, path: "")
            guard var complete = try JSONSerialization.jsonObject(with: Data(encoded)) as? [String: Any],
                let found = try JSONSerialization.jsonObject(with: saved) as? [String: Any]
            else { throw CocoaError(.coderReadCorrupt) }
            // What stands below one that is there may be incomplete all the same.
            for key in required where found[key] == nil { complete[key] = nil }
            let data = try JSONSerialization.data(withJSONObject: overlaid(complete, found))
            return try decoder().decode(State.self, from: data)
        }
    }

    private static func overlaid(_ below: [String: Any], _ above: [String: Any]) -> [String: Any] {
        below.merging(above) { below, above in
            guard let below = below as? [String: Any], let above = above as? [String: Any] else { return above }
            return overlaid(below, above)
        }
    }

    static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return decoder
    }
}
