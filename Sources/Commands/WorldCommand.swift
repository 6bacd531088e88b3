package import Communication
package import Settings

/// A subcommand: parsed on every rank, run on all of them together.
package protocol WorldCommand: LayeredCommand {
    /// Runs on every rank. Errors that all ranks throw are printed by rank 0.
    ///
    /// - Returns: the exit code.
    func run(in world: any Communicator) throws -> Int32

    /// Whether signals that ask to stop are obeyed by saving; others end the command at once.
    static var savesOnSignals: Bool { get }
}

extension WorldCommand {
    package static var savesOnSignals: Bool { false }
}
