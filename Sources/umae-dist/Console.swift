import Foundation

/// Text for the person at the terminal.
enum Console {
    static func error(_ message: String) {
        FileHandle.standardError.write(Data("umae-dist: \(message)\n".utf8))
    }

    static func print(_ text: String) {
        // Written at once: a run that is killed has said everything it knew.
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }
}
