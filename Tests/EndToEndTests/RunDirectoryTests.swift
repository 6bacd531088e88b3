import Foundation
import TestSupport
import Testing

/// A run directory has one owner, and nothing is lost in it that the run did not write.
@Suite("A run directory has one owner and loses nothing", .serialized)
struct RunDirectoryTests {
    private func tiny(_ output: String, epochs: Int = 3) -> [String] {
        SmallRun.arguments(output, epochs: epochs, images: 16)
    }

    /// Names, kinds, sizes, times and link targets of everything below a directory.
    static func picture(of directory: String) throws -> [String] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: directory).sorted()
        return names.map { name in
            var status = stat()
            guard unsafe lstat("\(directory)/\(name)", &status) == 0 else { return "\(name) gone" }
            return "\(name) \(status.st_mode) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        }
    }

    static func epochs(ofLog path: String) throws -> [Int] {
        struct Line: Decodable { let epoch: Int }
        return try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(Line.self, from: Data($0)).epoch
        }
    }

    // MARK: Owners

    @Test("runs that are started in one second without a name have a directory each")
    func sweep() throws {
        let folder = try TemporaryDirectory()
        let arguments = Array(tiny("").dropLast(2)).map { "'\($0)'" }.joined(separator: " ")
        let line = (1...4).map { "\"$0\" \(arguments) --lamb 0.\($0) & a\($0)=$!" }.joined(separator: "; ")
        let result = try Program.launch(
            ["bash", "-c", "\(line); wait $a1 && wait $a2 && wait $a3 && wait $a4", Program.path],
            directory: folder.path)
        #expect(result.exitCode == 0, "\(result.errors)")
        let runs = try FileManager.default.contentsOfDirectory(atPath: folder.file("runs"))
        #expect(runs.count == 4, "\(runs)")
        var lambdas: Set<String> = []
        for run in runs {
            #expect(try Self.epochs(ofLog: folder.file("runs/\(run)/log.txt")) == [0, 1, 2])
            let settings = try String(contentsOfFile: folder.file("runs/\(run)/config.yaml"), encoding: .utf8)
            lambdas.formUnion(settings.split(separator: "\n").filter { $0.hasPrefix("lamb:") }.map(String.init))
        }
        #expect(lambdas.count == 4, "\(lambdas)")
    }

    @Test("a second run in a directory is refused with the owner's name, and disturbs nothing")
    func secondOwner() throws {
        let folder = try TemporaryDirectory()
        let arguments = SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400)
        let gate = LogGate(in: folder)
        let result = try Program.run(arguments, environment: gate.environment) { process in
            try wait { fileExists(folder.file("run/log.txt")) }
            for more in [["--resume", "auto"], [], ["--resume", "auto", "--dry-run"]] {
                let second = try Program.run(arguments + more)
                #expect(second.exitCode == 1 && second.messages.count == 1, "\(second.errors)")
                #expect(
                    second.messages.first?.contains("is in use by process \(process.processIdentifier) on ") == true,
                    "\(second.errors)")
            }
            kill(process.processIdentifier, SIGUSR1)
            try gate.open()
        }
        #expect(result.exitCode == 85, "\(result.errors)")
        let epochs = try Self.epochs(ofLog: folder.file("run/log.txt"))
        #expect(epochs == Array(0..<epochs.count))
    }

    @Test("an owner that is killed leaves the directory free")
    func deadOwner() throws {
        let folder = try TemporaryDirectory()
        let arguments = SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400)
        _ = try Program.run(arguments) { process in
            try wait { fileExists(folder.file("run/log.txt")) }
            kill(process.processIdentifier, SIGKILL)
        }
        let next = try Program.run(arguments + ["--resume", "auto", "--dry-run"])
        #expect(next.exitCode == 0, "\(next.errors)")
    }

    @Test("where the file system knows no locks the owner is known by its process, and its death too")
    func withoutLocks() throws {
        let folder = try TemporaryDirectory()
        let arguments = SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400)
        let unlocked = ["LD_PRELOAD": try Program.library("FaultInjector"), "FAULT_NO_LOCKS": "1"]
        // It stands still meanwhile.
        let owner = try unlocked.merging(LogGate(in: folder).environment) { $1 }
        _ = try Program.run(arguments, environment: owner) { process in
            try wait { fileExists(folder.file("run/log.txt")) }
            let second = try Program.run(arguments + ["--resume", "auto"], environment: unlocked)
            #expect(
                second.exitCode == 1 && second.messages.first?.contains("is in use by process") == true,
                "\(second.errors)")
            kill(process.processIdentifier, SIGKILL)
        }
        let next = try Program.run(arguments + ["--resume", "auto", "--dry-run"], environment: unlocked)
        #expect(next.exitCode == 0, "\(next.errors)")
        // An owner on a host that cannot be asked counts until it has not been heard of for a while.
        let lock = folder.file("run/run.lock")
        try "elsewhere 1\n".write(toFile: lock, atomically: false, encoding: .utf8)
        let foreign = try Program.run(arguments + ["--resume", "auto", "--dry-run"], environment: unlocked)
        #expect(foreign.exitCode == 1 && foreign.errors.contains("process 1 on elsewhere"), "\(foreign.errors)")
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: lock)
        let stale = try Program.run(arguments + ["--resume", "auto", "--dry-run"], environment: unlocked)
        #expect(stale.exitCode == 0, "\(stale.errors)")
    }

    struct Launch: CustomTestStringConvertible, Sendable {
        let name: String
        let variables: [String: String]
        let advice: String
        var testDescription: String { name }
    }

    @Test(
        "processes that a launcher started beside each other, and that no MPI joins, are refused",
        arguments: [
            Launch(
                name: "srun without pmix, task 0",
                variables: ["SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"], advice: "--mpi=pmix"
            ),
            Launch(name: "Hydra", variables: ["PMI_RANK": "0", "PMI_SIZE": "2"], advice: "mpirun"),
            Launch(name: "PMI without a rank", variables: ["PMI_SIZE": "2"], advice: "mpirun"),
            Launch(
                name: "torchrun", variables: ["RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"], advice: "mpirun -n 2"),
        ])
    func launchers(_ launch: Launch) throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(tiny(folder.file("run")), environment: launch.variables)
        #expect(result.exitCode == 64 && result.messages.count == 1, "\(result.exitCode) \(result.errors)")
        #expect(result.messages.first?.contains(launch.advice) == true, "\(result.errors)")
        #expect(!fileExists(folder.file("run")))
    }

    @Test("the one process of a batch step, and mpirun's ranks within one, are what they seem")
    func batchStep() throws {
        let folder = try TemporaryDirectory()
        let job = ["SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"]
        let single = try Program.run(tiny(folder.file("single")), environment: job)
        #expect(single.exitCode == 0 && single.output.contains("1 rank ×"), "\(single.errors)")
        let ranks = try Program.run(
            tiny(folder.file("ranks")), ranks: 2, environment: job.merging(["SLURM_STEP_NUM_TASKS": "8"]) { $1 })
        #expect(ranks.exitCode == 0 && ranks.output.contains("2 ranks ×"), "\(ranks.errors)")
    }

    // MARK: What others wrote

    @Test("the rotation of a run that began with a link leaves the other run whole")
    func linkedCheckpoint() throws {
        let folder = try TemporaryDirectory()
        #expect(try Program.run(tiny(folder.file("sa"))).exitCode == 0)
        let before = try Self.picture(of: folder.file("sa/checkpoint-00000006"))
        try FileManager.default.createDirectory(atPath: folder.file("sb"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("sb/checkpoint-00000006"), withDestinationPath: "../sa/checkpoint-00000006")
        let result = try Program.run(
            tiny(folder.file("sb"), epochs: 8)
                + ["--resume", "auto", "--checkpoint-every", "1", "--keep-checkpoints", "2"])
        #expect(result.exitCode == 0 && !result.output.contains("could not be removed"), "\(result.output)")
        #expect(try Self.picture(of: folder.file("sa/checkpoint-00000006")) == before)
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.file("sb")).filter {
            $0.hasPrefix("checkpoint")
        }
        #expect(left.sorted() == ["checkpoint-00000006", "checkpoint-00000014", "checkpoint-00000016"])
    }

    @Test("another run's checkpoint cannot be gone on from into a directory that holds a run")
    func twoRuns() throws {
        let folder = try TemporaryDirectory()
        for name in ["fa", "fb"] { #expect(try Program.run(tiny(folder.file(name))).exitCode == 0) }
        let before = try Self.picture(of: folder.file("fb"))
        let result = try Program.run(tiny(folder.file("fb"), epochs: 6) + ["--resume", folder.file("fa")])
        #expect(result.exitCode == 64 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("\(folder.file("fb")) holds a run") == true, "\(result.errors)")
        #expect(try Self.picture(of: folder.file("fb")) == before)
        let new = try Program.run(tiny(folder.file("fc"), epochs: 6) + ["--resume", folder.file("fa")], ranks: 2)
        #expect(new.exitCode == 0, "\(new.errors)")
        #expect(try Self.epochs(ofLog: folder.file("fc/log.txt")) == [3, 4, 5])
    }

    @Test("going back to an older checkpoint: later ones are kept aside, and --resume auto follows the line chosen")
    func goingBack() throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        func arguments(_ epochs: Int) -> [String] {
            tiny(run, epochs: epochs) + ["--checkpoint-every", "1", "--keep-checkpoints", "9"]
        }
        #expect(try Program.run(arguments(6)).exitCode == 0)
        let abandoned = try SmallRun.weights(run, step: 12)
        let log = try Data(contentsOf: URL(fileURLWithPath: "\(run)/log.txt"))
        let back = try Program.run(
            arguments(4) + ["--resume", "checkpoint-00000004", "--lr", "1e-5", "--output-dir", run])
        #expect(back.exitCode == 0, "\(back.errors)")
        #expect(back.output.contains("note: 4 later checkpoints are set aside and kept as"), "\(back.output)")
        #expect(try Self.epochs(ofLog: "\(run)/log.txt") == [0, 1, 2, 3])
        #expect(try Data(contentsOf: URL(fileURLWithPath: "\(run)/log.txt.abandoned")) == log)
        let next = try Program.run(arguments(5) + ["--resume", "auto", "--lr", "1e-5"])
        #expect(next.exitCode == 0 && next.output.contains("resume   \(run)/checkpoint-00000008"), "\(next.output)")
        #expect(try Self.epochs(ofLog: "\(run)/log.txt") == [0, 1, 2, 3, 4])
        try FileManager.default.moveItem(
            atPath: "\(run)/checkpoint-00000012.abandoned", toPath: folder.file("checkpoint-00000012"))
        #expect(try SmallRun.weights(folder.path, step: 12) == abandoned)
    }

    @Test("files of a person in a directory are not taken for a run's", arguments: ["config.yaml", "log.txt"])
    func foreignFiles(name: String) throws {
        let folder = try TemporaryDirectory()
        try "# my precious experiment\nlamb: 0.5\n"
            .write(toFile: folder.file(name), atomically: true, encoding: .utf8)
        let before = try Self.picture(of: folder.path)
        for more in [[], ["--dry-run"], ["--recipe", folder.file("config.yaml")]] {
            guard name == "config.yaml" || more.first != "--recipe" else { continue }
            let result = try Program.run(tiny(folder.path) + more)
            #expect(result.exitCode == 64 && result.messages.count == 1, "\(result.errors)")
            #expect(result.messages.first?.contains("\(folder.path)/\(name) is there") == true, "\(result.errors)")
        }
        #expect(try Self.picture(of: folder.path) == before)
    }

    @Test("a person's file that is called as the lock is stays as it is")
    func foreignLock() throws {
        let folder = try TemporaryDirectory()
        try "the key of the bicycle\n".write(toFile: folder.file("run.lock"), atomically: true, encoding: .utf8)
        let result = try Program.run(tiny(folder.path))
        #expect(
            result.exitCode != 0 && result.messages.first?.contains("umae-dist did not write it") == true,
            "\(result.errors)")
        #expect(try String(contentsOfFile: folder.file("run.lock"), encoding: .utf8) == "the key of the bicycle\n")
    }

    @Test("settings that a resumed run has changed are kept beside the new ones")
    func changedSettings() throws {
        let folder = try TemporaryDirectory()
        #expect(try Program.run(tiny(folder.file("run"))).exitCode == 0)
        let before = try String(contentsOfFile: folder.file("run/config.yaml"), encoding: .utf8)
        let result = try Program.run(
            tiny(folder.file("run"), epochs: 4) + ["--resume", "auto", "--weight-decay", "0.2"])
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(try String(contentsOfFile: folder.file("run/config.yaml.abandoned"), encoding: .utf8) == before)
        #expect(try String(contentsOfFile: folder.file("run/config.yaml"), encoding: .utf8).contains("epochs: 4"))
    }

    // MARK: The log

    @Test("a run that is killed before its first checkpoint and begun again has each epoch once, and the old log aside")
    func logOfDeadRun() throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        for more in [["--resume", "auto"], []] {
            try? FileManager.default.removeItem(atPath: run)
            _ = try Program.run(SmallRun.arguments(run, epochs: 100_000, images: 16) + ["--checkpoint-every", "90000"])
            {
                process in
                try wait { ((try? Self.epochs(ofLog: "\(run)/log.txt"))?.count ?? 0) > 4 }
                kill(process.processIdentifier, SIGKILL)
            }
            let result = try Program.run(tiny(run) + more)
            #expect(result.exitCode == 0, "\(result.errors)")
            #expect(try Self.epochs(ofLog: "\(run)/log.txt") == [0, 1, 2])
            #expect(try Self.epochs(ofLog: "\(run)/log.txt.abandoned").count > 4)
        }
    }

    @Test("lines of the log that are not understood stay as they are, and no epoch stands twice")
    func foreignLogLines() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("run/log.txt")
        let arguments = tiny(folder.file("run"), epochs: 6) + ["--checkpoint-every", "2", "--keep-checkpoints", "9"]
        #expect(try Program.run(arguments).exitCode == 0)
        for step in [8, 12] {
            try FileManager.default.removeItem(
                atPath: folder.file("run/checkpoint-0000000\(step)".replacing("00012", with: "0012")))
        }
        // Of an earlier version, of a later one, a person's, no UTF-8, and cut off.
        var lines = try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: UInt8(ascii: "\n")).map {
            Data($0)
        }
        lines[0] = Data(#"{"epoch":0,"train_loss":0.5}"#.utf8)
        lines[1] = Data(#"{"epoch":1,"train_loss":"0.5","new":{"a":[1]}}"#.utf8)
        lines.insert(Data("# lr lowered here".utf8), at: 2)
        lines.insert(Data([0xff, 0xfe]), at: 3)
        try Data(lines.joined(separator: Data("\n".utf8))).write(to: URL(fileURLWithPath: path))
        let resumed = try Program.run(arguments + ["--resume", "auto"])
        #expect(resumed.exitCode == 0 && resumed.output.contains("checkpoint-00000004"), "\(resumed.errors)")
        let after = try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: UInt8(ascii: "\n")).map {
            Data($0)
        }
        #expect(Array(after.prefix(4)) == Array(lines.prefix(4)))
        #expect(try Self.epochs(ofLog: path) == [0, 1, 2, 3, 4, 5])
    }
}
