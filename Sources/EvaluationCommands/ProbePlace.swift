internal import Communication
internal import Evaluation
internal import Host

/// Where a probe is kept, and what it is of.
struct ProbePlace {
    let path: String
    /// All that decides what is learnt.
    let settings: String

    init(_ directory: String, _ name: String, _ settings: String) throws {
        try Directories.createAll(directory)
        path = Directories.child(directory, "\(name).safetensors")
        self.settings = settings
    }

    /// Epochs that were done; 0 where there is none. Collective.
    func epoch(in world: any Communicator) throws -> Int {
        try ProbeFile.epoch(in: path, settings: settings, in: world)
    }
}
