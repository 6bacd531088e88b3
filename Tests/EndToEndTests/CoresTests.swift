import Foundation
import TestSupport
import Testing

@Suite("Ranks and cores that do not fit are spoken of once", .serialized)
struct CoresTests {
    private static var cores: Int { ProcessInfo.processInfo.activeProcessorCount }

    private func notices(_ result: Program.Result) -> [Substring] {
        result.output.split(separator: "\n").filter { $0.hasPrefix("note: ") }
    }

    @Test("more threads than cores", .enabled(if: cores <= 16))
    func crowded() throws {
        let threads = Self.cores + 1
        // The last flag counts.
        let result = try Program.run(SmallRun.arguments("", images: 16) + ["--threads", "\(threads)"], ranks: 2)
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(
            notices(result).count == 1 && notices(result)[0].contains("2 ranks × \(threads) threads"),
            "\(result.output)")
    }

    @Test(
        "where threads outnumber cores, MPI is told to leave the core while it waits, unless somebody chose otherwise",
        .enabled(if: cores <= 16), arguments: [nil, "0"])
    func yields(chosen: String?) throws {
        let folder = try TemporaryDirectory()
        let ranks = Self.cores + 1
        // A host file that claims a slot for each rank keeps mpirun from noticing.
        try "localhost slots=\(ranks)\n".write(toFile: folder.file("hosts"), atomically: true, encoding: .utf8)
        let choice = chosen.map { ["--mca", "mpi_yield_when_idle", $0] } ?? []
        func setting(_ ranks: Int, _ more: [String]) throws -> String? {
            let result = try Program.launch(
                ["mpirun", "-n", "\(ranks)", "--hostfile", folder.file("hosts"), "--bind-to", "none"] + choice + [
                    "--mca", "mpi_show_mca_params", "all", Program.path, "--print-config",
                ] + SmallRun.arguments("", images: 4 * ranks, batch: 2 * ranks) + more)
            #expect(result.exitCode == 0, "\(result.errors)")
            let shown = (result.output + result.errors).split(separator: "\n").first {
                $0.contains("mpi_yield_when_idle=")
            }
            let value = shown?.split(separator: "=")[1].prefix { !$0.isWhitespace }
            return value.map(String.init)
        }
        #expect(try ["1", "true"].contains(setting(ranks, [])) == (chosen == nil))
        #expect(try ["1", "true"].contains(setting(1, ["--threads", "\(ranks)"])) == (chosen == nil))
        #expect(try ["0", "false"].contains(setting(1, [])))
    }

    @Test("a rank bound to one core of several", .enabled(if: cores > 1))
    func bound() throws {
        let command = ["mpirun", "-n", "1", "--bind-to", "core", Program.path]
        let result = try Program.launch(command + SmallRun.arguments("", images: 16))
        // Where a container does not let processes be bound there is nothing to say.
        try #require(result.exitCode == 0, "\(result.errors)")
        #expect(
            notices(result).allSatisfy { $0.contains("bound") && $0.contains("--bind-to none") }, "\(result.output)")
    }

    @Test("nothing is said of a rank alone")
    func alone() throws {
        let result = try Program.run(SmallRun.arguments("", images: 16))
        #expect(result.exitCode == 0 && notices(result).isEmpty, "\(result.output)")
    }
}
