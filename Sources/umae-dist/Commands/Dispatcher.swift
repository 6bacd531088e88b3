import ArgumentParser
import Commands
import Communication
import DataParallel
import EvaluationCommands
import Glibc
import Host
import Runs
import Settings

/// Finds the command, runs it, and turns every ending into one message and an exit code.
struct Dispatcher {
    let world: any Communicator

    private enum Parsed {
        case command(any WorldCommand)
        case message(String, exitCode: Int32)

        var savesOnSignals: Bool {
            guard case .command(let command) = self else { return false }
            return type(of: command).savesOnSignals
        }
    }

    func run(_ arguments: [String]) -> Int32 {
        do {
            let parsed = try parse(arguments)
            if !parsed.savesOnSignals { StopRequest.leaveToSystem() }
            // A rank with another command line must not leave the rest waiting in a collective it never makes.
            try world.agreeOnEqual("command lines", [summary(of: parsed)])
            if world.size > 1 {
                // Hosts may hold different builds under one path.
                let program = try world.agree { try FileRecord.of(path: "/proc/self/exe") }
                try world.agreeOnEqual(
                    "builds of umae-dist", ["\(program.size) bytes, CRC-32 \(String(program.crc32, radix: 16))"])
            }
            switch parsed {
            case .command(let command):
                let notes = [try KernelAgreement.reach(in: world), Launcher.note(on: world)].compactMap { $0 }
                if world.rank == 0 { for note in notes { Console.error("note: \(note)") } }
                return try command.run(in: world)
            case .message(let text, let code):
                if world.rank == 0 { code == 0 ? Console.print(text) : Console.error(text) }
                return code
            }
        } catch let failure as AgreedFailure {
            if world.rank == 0 { Console.error(failure.description) }
            return failure.isPermanent ? ExitCode.usage : ExitCode.failed
        } catch let failure as any CollectiveError {
            if world.rank == 0 { Console.error("\(failure)") }
            return ExitCode.failed
        } catch {
            // Only this rank knows: the others are ended with it.
            Console.error(world.size > 1 ? "rank \(world.rank): \(error)" : "\(error)")
            let code = error is any PermanentError ? ExitCode.usage : ExitCode.failed
            if world.size > 1 { world.abort(exitCode: code) }
            return code
        }
    }

    private func parse(_ arguments: [String]) throws -> Parsed {
        do {
            let layered = try ArgumentLayers(arguments, of: UmaeDist.commands).merged(in: world)
            var command = try UmaeDist.parseAsRoot(layered.arguments)
            if world.rank == 0 { layered.notes.forEach(Console.note) }
            if let command = command as? any WorldCommand { return .command(command) }
            // A request for help; run, it throws the text of the command it is about.
            try command.run()
            return .message(UmaeDist.helpMessage(), exitCode: ExitCode.done)
        } catch let error as SettingsError {
            return .message(error.description, exitCode: ExitCode.usage)
        } catch let error as CommunicationError {
            throw error
        } catch {
            let code = UmaeDist.exitCode(for: error)
            let text = code.isSuccess ? UmaeDist.fullMessage(for: error) : UmaeDist.message(for: error)
            return .message(text, exitCode: code.rawValue)
        }
    }

    private func summary(of parsed: Parsed) -> String {
        switch parsed {
        case .command(let command): type(of: command).configuration.commandName ?? ""
        case .message(let text, _): text
        }
    }
}

/// `umae-dist` itself: the root of all commands; without a subcommand it pretrains.
struct UmaeDist: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "umae-dist",
        abstract: "Train U-MAE, the uniformity-enhanced masked autoencoder, on CPUs, data-parallel over MPI.",
        discussion: """
            Without a subcommand it pretrains: `mpirun -n 8 umae-dist` trains the micro model on Fashion-MNIST. \
            Flags are those of facebookresearch/mae and U-MAE main_pretrain.py, with underscores or dashes; \
            `umae-dist pretrain --help` lists them. Started without a launcher it is a single process.
            """,
        version: VersionText.text,
        subcommands: commands, defaultSubcommand: commands[0])

    /// The first runs where none is named.
    static let commands: [any WorldCommand.Type] = [
        PretrainCommand.self, DebugCommand.self, BenchCommand.self, PlanCommand.self, PackCommand.self,
        DataCommand.self, EmbedCommand.self, AnalyzeCommand.self, FineTuneCommand.self, KNNCommand.self,
        LinearProbeCommand.self,
    ]
}
