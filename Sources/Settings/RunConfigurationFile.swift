import Foundation

/// The settings of a run that is resumed: `config.yaml` in its directory.
enum RunConfigurationFile {
    static let name = "config.yaml"

    /// The run directory that `--resume` asks to go on with; nil if it asks for none.
    static func directory(_ layers: ArgumentLayers.Layers) -> String? {
        guard let resume = layers.text(of: "resume"), !resume.isEmpty else { return nil }
        guard resume == "auto" else {
            let url = URL(fileURLWithPath: resume)
            guard isCheckpoint(url.lastPathComponent) else { return resume }
            // A checkpoint of the run directory may go by its name alone.
            if url.relativePath == url.lastPathComponent, !FileManager.default.fileExists(atPath: resume),
                let output = layers.text(of: "output-dir"), !output.isEmpty
            {
                return output
            }
            return url.deletingLastPathComponent().relativePath
        }
        return layers.text(of: "output-dir").flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Whether there is something to go on with; otherwise a run begins, with the settings it is given.
    static func holdsCheckpoint(_ directory: String) -> Bool {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).contains(where: isCheckpoint)
    }

    private static func isCheckpoint(_ name: String) -> Bool {
        name.hasPrefix("checkpoint-") && Int(name.dropFirst("checkpoint-".count)) != nil
    }
}
