import Foundation
import TestSupport
import Testing

/// The program under test, run as its users run it: alone or under mpirun.
enum Program {
    struct Result {
        let exitCode: Int32
        let output: String
        let errors: String

        /// Lines that the program itself wrote to standard error, without mpirun's own and without the word that a signal
        /// was understood.
        var messages: [String] {
            errors.split(separator: "\n").map(String.init).filter {
                $0.hasPrefix("umae-dist: ") && !$0.hasSuffix("after this step")
            }
        }
    }

    /// Built beside the test bundle.
    static let path: String = {
        let executable = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        var directory = executable.deletingLastPathComponent()
        while directory.path != "/" {
            let candidate = directory.appendingPathComponent("umae-dist").path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
            directory.deleteLastPathComponent()
        }
        return ".build/release/umae-dist"
    }()

    /// Seconds that anything may take that a test waits for: more than a busy machine needs, less than for ever.
    static let patience = 900.0

    /// For runs that all ranks end by themselves with an exit code: mpirun, which ends the others as soon as one has ended
    /// with a code, otherwise waits for a second to see whether they do. What they say is said before MPI_Finalize, in which
    /// they wait for each other.
    static let endingTogether = ["OMPI_MCA_odls_base_sigkill_timeout": "0"]

    /// Runs the program on `ranks` ranks, or without a launcher if nil, and waits. A run that outlasts `patience`
    /// is ended with its ranks and fails the test: no rank may be left hanging.
    static func run(
        _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:], directory: String? = nil,
        output: String? = nil, errors: String? = nil, whileRunning: (Process) throws -> Void = { _ in }
    ) throws -> Result {
        let command = ranks.map { ["mpirun", "-n", "\($0)", "--oversubscribe", "--bind-to", "none", path] } ?? [path]
        return try launch(
            command + arguments, environment: environment, directory: directory, output: output, errors: errors,
            whileRunning: whileRunning)
    }

    /// As `run`, with arguments of their own for each rank.
    static func run(eachRank arguments: [[String]]) throws -> Result {
        try run(commands: arguments.map { [path] + $0 })
    }

    /// As `run`, with a command of its own for each rank; mpirun's options may stand before it.
    static func run(
        commands: [[String]], environment: [String: String] = [:],
        whileRunning: (Process) throws -> Void = { _ in }
    ) throws -> Result {
        var command = ["mpirun", "--oversubscribe", "--bind-to", "none"]
        for (index, own) in commands.enumerated() { command += (index > 0 ? [":"] : []) + ["-n", "1"] + own }
        return try launch(command, environment: environment, whileRunning: whileRunning)
    }

    /// A library of these tests, to be preloaded into the program.
    static func library(_ name: String) throws -> String {
        let path = URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent("lib\(name).so").path
        try #require(FileManager.default.fileExists(atPath: path), "\(name) was not built")
        return path
    }

    /// Runs any command and waits, as `run`.
    ///
    /// - Parameters:
    ///   - output: the file that receives standard output, where somebody reads it meanwhile.
    ///   - errors: the same for standard error.
    static func launch(
        _ command: [String], environment: [String: String] = [:], directory: String? = nil, output: String? = nil,
        errors: String? = nil, whileRunning: (Process) throws -> Void = { _ in }
    ) throws -> Result {
        let folder = try TemporaryDirectory()
        let (outputPath, errorPath) = (output ?? folder.file("output"), errors ?? folder.file("errors"))
        for file in [outputPath, errorPath] { _ = FileManager.default.createFile(atPath: file, contents: nil) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: outputPath)
        process.standardError = FileHandle(forWritingAtPath: errorPath)
        var variables = ProcessInfo.processInfo.environment
        variables["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        variables["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        variables["OPENBLAS_CORETYPE"] = nil
        variables.merge(environment) { $1 }
        process.environment = variables
        // Threads of the test runner block signals, and a child would inherit that; mpirun forwards them.
        var mask = sigset_t()
        unsafe sigfillset(&mask)
        unsafe pthread_sigmask(SIG_UNBLOCK, &mask, nil)
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        try process.run()
        do { try whileRunning(process) } catch {
            // What was waited for never came: the run says why.
            process.terminate()
            Issue.record("\((try? String(contentsOfFile: errorPath, encoding: .utf8)) ?? "")")
            throw error
        }
        if ended.wait(timeout: .now() + patience) == .timedOut {
            process.terminate()
            if ended.wait(timeout: .now() + 3) == .timedOut { kill(process.processIdentifier, SIGKILL) }
            Issue.record("\(command.joined(separator: " ")) still ran after \(patience) s")
        }
        process.waitUntilExit()
        return Result(
            exitCode: process.terminationStatus, output: try String(contentsOfFile: outputPath, encoding: .utf8),
            errors: try String(contentsOfFile: errorPath, encoding: .utf8))
    }
}
