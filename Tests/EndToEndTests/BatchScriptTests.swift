import Foundation
import TestSupport
import Testing

/// The batch scripts with a scheduler and an mpirun that write down what they were asked to do.
@Suite("Batch scripts save before the limit, go on in a new job, and leave nothing behind", .serialized)
struct BatchScriptTests {
    /// A directory of commands that stand before all others.
    private struct Site {
        let folder: TemporaryDirectory

        init() throws {
            folder = try TemporaryDirectory()
            // Waits for USR1 as a run does if MPIRUN_WAITS, then ends as it would.
            try command(
                "mpirun",
                """
                printf '%s\\n' "$@" >"$SITE/mpirun"
                env | grep '^UMAE_' >"$SITE/environment"
                [[ -n "${MPIRUN_WAITS:-}" ]] || exit "${MPIRUN_CODE:-0}"
                trap 'kill $!; exit 85' USR1
                sleep 1000 & touch "$SITE/running"; wait
                """)
            for name in ["scontrol", "qsub"] {
                try command(name, "printf '%s\\n' \"$@\" >\"$SITE/\(name)\"; env >\"$SITE/\(name)-environment\"")
            }
            try "node01\nnode01\nnode02\n".write(toFile: folder.file("nodes"), atomically: true, encoding: .utf8)
        }

        private func command(_ name: String, _ body: String) throws {
            try ("#!/bin/bash\n" + body + "\n").write(
                toFile: folder.file(name + "-command"), atomically: true, encoding: .utf8)
            let bin = folder.file("bin")
            try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: folder.file(name + "-command"), toPath: bin + "/" + name)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: bin + "/" + name)
        }

        func run(
            _ script: String, _ arguments: [String] = [], _ variables: [String: String],
            whileRunning: (Process) throws -> Void = { _ in }
        ) throws -> Program.Result {
            var variables = variables
            variables["SITE"] = folder.path
            variables["PATH"] =
                folder.file("bin") + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
            // A name of its own, by which what it leaves behind is found.
            let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../../scripts/" + script).standardized.path
            return try Program.launch(
                ["bash", path] + arguments, environment: variables, directory: folder.path,
                whileRunning: whileRunning)
        }

        /// The lines that a command wrote down; nil if it was not called.
        func asked(_ name: String) -> [String]? {
            (try? String(contentsOfFile: folder.file(name), encoding: .utf8))?
                .split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        }

        /// Processes that still have the site in their environment.
        func left() -> [String] {
            let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
            return all.filter { Int($0) != nil }.compactMap { process in
                guard let environment = FileManager.default.contents(atPath: "/proc/\(process)/environ"),
                    String(decoding: environment, as: UTF8.self).contains("SITE=" + folder.path),
                    let command = FileManager.default.contents(atPath: "/proc/\(process)/cmdline"), !command.isEmpty
                else { return nil }
                return String(decoding: command, as: UTF8.self).replacing("\0", with: " ")
            }
        }
    }

    private let odd = ["--data-path", "/data/my images, 2", "--lamb", "0.1", ""]

    private func pbs(_ site: Site, _ more: [String: String] = [:]) -> [String: String] {
        [
            "PBS_JOBID": "7.server", "PBS_NODEFILE": site.folder.file("nodes"), "PBS_O_WORKDIR": site.folder.path,
            "UMAE_PROGRAM": "/opt/umae dist",
        ].merging(more) { $1 }
    }

    @Test(
        "Slurm: tasks are counted whatever variables there are",
        arguments: [
            (["SLURM_NTASKS": "5", "SLURM_NTASKS_PER_NODE": "8", "SLURM_JOB_NUM_NODES": "2"], "5"),
            (["SLURM_NTASKS_PER_NODE": "8", "SLURM_JOB_NUM_NODES": "2"], "16"),
            (["SLURM_TASKS_PER_NODE": "8(x2),4"], "20"),
        ])
    func slurmTasks(variables: [String: String], tasks: String) throws {
        let site = try Site()
        let result = try site.run(
            "slurm/pretrain.sbatch", odd, variables.merging(["SLURM_JOB_ID": "3", "SLURM_CPUS_PER_TASK": "2"]) { $1 })
        #expect(result.exitCode == 0, "\(result.errors)")
        let asked = try #require(site.asked("mpirun"))
        #expect(asked.starts(with: ["-n", tasks, "--map-by", "slot:PE=2"]), "\(asked)")
        #expect(asked.suffix(9) == ["--output-dir", "runs/slurm-3", "--resume", "auto"] + odd, "\(asked)")
        #expect(site.asked("scontrol") == nil)
    }

    @Test(
        "Slurm: no job, or no number of tasks, is one line and never tried again",
        arguments: [
            ([:], "sbatch"), (["SLURM_JOB_ID": "3"], "--ntasks"),
            (["SLURM_JOB_ID": "3", "SLURM_TASKS_PER_NODE": "many"], "--ntasks"),
        ])
    func slurmRefuses(variables: [String: String], mention: String) throws {
        let site = try Site()
        let result = try site.run("slurm/pretrain.sbatch", [], variables)
        #expect(result.exitCode == 64)
        #expect(result.errors.split(separator: "\n").count == 1 && result.errors.contains(mention), "\(result.errors)")
        #expect(site.asked("mpirun") == nil)
    }

    @Test("Slurm: the signal before the limit goes to mpirun, and what was saved goes back into the queue")
    func slurmRequeues() throws {
        let site = try Site()
        let result = try site.run(
            "slurm/pretrain.sbatch", [], ["SLURM_JOB_ID": "3", "SLURM_NTASKS": "2", "MPIRUN_WAITS": "1"]
        ) { process in
            try wait { fileExists(site.folder.file("running")) }
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(result.exitCode == 85, "\(result.errors)")
        #expect(site.asked("scontrol") == ["requeue", "3"])
        try wait { site.left().isEmpty }
    }

    @Test("a run that failed is not started again", arguments: ["slurm/pretrain.sbatch", "pbs/pretrain.pbs"])
    func failed(script: String) throws {
        let site = try Site()
        let result = try site.run(
            script, [],
            pbs(site, ["SLURM_JOB_ID": "3", "SLURM_NTASKS": "2", "MPIRUN_CODE": "1"]))
        #expect(result.exitCode == 1)
        #expect(site.asked("scontrol") == nil && site.asked("qsub") == nil)
    }

    @Test("PBS: quoted arguments arrive as they were meant, and the program is not given the script's variables")
    func pbsArguments() throws {
        let site = try Site()
        let result = try site.run(
            "pbs/pretrain.pbs", [],
            pbs(site, ["UMAE_ARGUMENTS": "--data-path '/data/my images, 2' --lamb \"0.1\" ''", "UMAE_EPOCHS": "3"]))
        #expect(result.exitCode == 0, "\(result.errors)")
        let asked = try #require(site.asked("mpirun"))
        #expect(asked.starts(with: ["-n", "3", "--hostfile"]), "\(asked)")
        #expect(
            asked.suffix(10) == ["/opt/umae dist", "--output-dir", "runs/pbs-7", "--resume", "auto"] + odd, "\(asked)")
        #expect(site.asked("environment") == ["UMAE_EPOCHS=3"])
        #expect(site.asked("qsub") == nil)
    }

    @Test("PBS: arguments of a file, one a line; none at all")
    func pbsFile() throws {
        let site = try Site()
        try (odd.joined(separator: "\n") + "\n").write(
            toFile: site.folder.file("flags"), atomically: true, encoding: .utf8)
        _ = try site.run("pbs/pretrain.pbs", [], pbs(site, ["UMAE_ARGUMENTS_FILE": site.folder.file("flags")]))
        #expect(site.asked("mpirun")?.suffix(odd.count) == odd[...])
        _ = try site.run("pbs/pretrain.pbs", [], pbs(site))
        #expect(site.asked("mpirun")?.suffix(2) == ["--resume", "auto"])
    }

    @Test(
        "PBS: no job, a quote without a partner or a file that is not there are one line",
        arguments: [
            (["PBS_JOBID": ""], "qsub"), (["UMAE_ARGUMENTS": "--lamb '0.1"], "UMAE_ARGUMENTS"),
            (["UMAE_ARGUMENTS_FILE": "/no/flags"], "/no/flags"),
        ])
    func pbsRefuses(variables: [String: String], mention: String) throws {
        let site = try Site()
        let result = try site.run("pbs/pretrain.pbs", [], pbs(site, variables))
        #expect(result.exitCode == 64)
        #expect(result.errors.split(separator: "\n").count == 1 && result.errors.contains(mention), "\(result.errors)")
        #expect(site.asked("mpirun") == nil)
        try wait { site.left().isEmpty }
    }

    @Test("PBS: the timer ends with the run, however that ends", arguments: ["0", "1"])
    func pbsLeavesNothing(code: String) throws {
        let site = try Site()
        let result = try site.run("pbs/pretrain.pbs", [], pbs(site, ["MPIRUN_CODE": code]))
        #expect("\(result.exitCode)" == code, "\(result.errors)")
        try wait { site.left().isEmpty }
    }

    @Test("PBS: the timer asks the ranks to save, and the next job has the same directory and arguments")
    func pbsSubmitsAgain() throws {
        let site = try Site()
        let given = [
            "UMAE_ARGUMENTS": "--data-path 'a, b'", "UMAE_WALLTIME_SECONDS": "3", "UMAE_MARGIN_SECONDS": "1",
            "MPIRUN_WAITS": "1",
        ]
        let result = try site.run("pbs/pretrain.pbs", [], pbs(site, given))
        #expect(result.exitCode == 85, "\(result.errors)")
        let asked = try #require(site.asked("qsub"))
        let names = asked.count > 1 ? asked[1].split(separator: ",").map(String.init) : []
        #expect(asked.first == "-v" && asked.count == 3 && names.contains("UMAE_ARGUMENTS"), "\(asked)")
        let handedOn = try #require(site.asked("qsub-environment"))
        #expect(names.allSatisfy { name in handedOn.contains { $0.hasPrefix(name + "=") } }, "\(names)")
        #expect(handedOn.contains("UMAE_RUN_DIRECTORY=runs/pbs-7"))
        #expect(handedOn.contains("UMAE_ARGUMENTS=--data-path 'a, b'"))
        try wait { site.left().isEmpty }
    }
}
