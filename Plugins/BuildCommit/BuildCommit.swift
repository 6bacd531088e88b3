import Foundation
import PackagePlugin

/// Writes down, before each build, which commit is built. Nothing is written anew, and so nothing compiled, while it stays.
@main
struct BuildCommit: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let output = context.pluginWorkDirectoryURL.appending(path: "Generated")
        let package = context.package.directoryURL
        return [
            .prebuildCommand(
                displayName: "commit of this build", executable: URL(filePath: "/bin/sh"),
                arguments: [package.appending(path: "scripts/write-commit").path, package.path, output.path],
                outputFilesDirectory: output)
        ]
    }
}
