import Foundation
import TestSupport
import Testing

/// Root may enter every directory, so the program is run as somebody else.
private let canChangeUser = geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv")

@Suite("Data that may not be read are not called absent")
struct DataPermissionTests {
    @Test(
        "a directory that may not be entered, and one below it",
        .enabled(if: geteuid() != 0 || canChangeUser, "needs another user than root, or setpriv to become one"),
        arguments: ["data", "data/below"])
    func permission(path: String) throws {
        let folder = try TemporaryDirectory()
        let data = folder.file("data")
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        for file in [folder.path, data] {
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
        }
        // Its names may be read, and nothing of what they stand for.
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: data)
        defer { try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: data) }
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        let result = try Program.launch(
            (canChangeUser ? nobody : []) + [Program.path, "--data-path", folder.file(path), "--output-dir", ""])
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("cannot be read: permission denied") == true, "\(result.messages)")
    }
}
