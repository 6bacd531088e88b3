internal import Communication
import Foundation

/// A file of settings that rank 0 reads for all ranks: others may have no such file, and standard input only one can read.
struct SharedText {
    /// For messages.
    let path: String
    let text: Result<String, SettingsError>

    /// The recipe that this rank is asked for; nil if none. Collective, with or without a recipe.
    static func recipe(_ name: String?, in world: any Communicator) throws -> SharedText? {
        try read(name, in: world) { name in
            do throws(SettingsError) {
                let (path, text) = try RecipeFile.read(name)
                return SharedText(path: path, text: .success(text))
            } catch {
                return SharedText(path: name, text: .failure(error))
            }
        }
    }

    /// The settings of the run in `directory`; nil if it holds no checkpoint, so that a new run begins. Collective, with
    /// or without a directory.
    static func configuration(ofRun directory: String?, in world: any Communicator) throws -> SharedText? {
        try read(directory, in: world) { directory in
            guard RunConfigurationFile.holdsCheckpoint(directory) else { return nil }
            let path = "\(directory)/\(RunConfigurationFile.name)"
            do throws(SettingsError) {
                return SharedText(path: path, text: .success(try RecipeFile.read(path).text))
            } catch {
                return SharedText(path: path, text: .failure(SettingsError("\(path) cannot be read")))
            }
        }
    }

    /// What rank 0 reads of the file it is asked for, on every rank that is asked for the same. Others read for themselves,
    /// and are then found to have other settings.
    private static func read(
        _ name: String?, in world: any Communicator, _ read: (String) -> SharedText?
    ) throws -> SharedText? {
        let own = world.rank == 0 ? name.flatMap(read) : nil
        let message = Message(
            name: name, path: own?.path, text: own.flatMap { try? $0.text.get() }, failure: own?.failure)
        let bytes = try world.allGather(world.rank == 0 ? Array(JSONEncoder().encode(message)) : [])
        guard world.rank != 0 else { return own }
        let first = try JSONDecoder().decode(Message.self, from: Data(bytes[0]))
        guard let name else { return nil }
        return first.name == name ? first.shared : read(name)
    }

    private var failure: String? {
        if case .failure(let error) = text { return error.description }
        return nil
    }

    private struct Message: Codable {
        let name: String?
        let path: String?
        let text: String?
        let failure: String?

        var shared: SharedText? {
            guard let path else { return nil }
            if let text { return SharedText(path: path, text: .success(text)) }
            return SharedText(path: path, text: .failure(SettingsError(failure ?? "\(path) cannot be read")))
        }
    }
}
