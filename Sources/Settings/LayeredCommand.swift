package import ArgumentParser

/// A command whose flags may stand in recipes and in the environment too.
package protocol LayeredCommand: ParsableCommand {
    /// Flags that say one thing in two ways: whoever gives one sets aside the others of more general layers.
    static var alternatives: [[String]] { get }

    /// Flags that the command accepts, because a recipe may hold them, and does not use.
    static var unused: Set<String> { get }

    /// Flags that a run does not take over from the one it goes on with.
    static var notInherited: Set<String> { get }
}

extension LayeredCommand {
    package static var alternatives: [[String]] { [] }
    package static var unused: Set<String> { [] }
    package static var notInherited: Set<String> { [] }

    static var name: String { configuration.commandName ?? "" }
}
