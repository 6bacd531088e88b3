import Checkpoints
import Communication
import Models
import Host

extension RunOptions {
    /// The checkpoint that --resume names; nil where `auto` finds that there is none yet.
    ///
    /// - Parameter note: receives a line for each damaged one that is passed over.
    func checkpointToResume(note: (String) -> Void) throws -> Checkpoint? {
        guard resume == "auto" else {
            // A checkpoint of the run directory may go by its name alone.
            if let outputDir, !outputDir.isEmpty, !Directories.exists(resume) {
                let inside = Directories.child(outputDir, resume)
                if Directories.exists(inside) { return try CheckpointStore.open(inside, reportingDamaged: note) }
            }
            guard !Directories.exists(resume) || Directories.isDirectory(resume) else {
                throw SettingsError("--resume: \(resume) is a file: give the checkpoint's directory, or the run's")
            }
            return try CheckpointStore.open(resume, reportingDamaged: note)
        }
        guard let outputDir, !outputDir.isEmpty else {
            throw SettingsError("--resume auto goes on with the run in --output-dir: give the directory")
        }
        guard Directories.exists(outputDir) else { return nil }
        if let latest = try CheckpointStore.latestValid(in: outputDir, reportingDamaged: note) { return latest }
        guard try CheckpointStore.list(in: outputDir).isEmpty else {
            throw SettingsError(
                "\(outputDir) holds no undamaged checkpoint: to begin anew, move it away or choose another --output-dir"
            )
        }
        return nil
    }
}
