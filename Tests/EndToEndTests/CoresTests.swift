import Foundation
import Testing

@Suite("Ranks and cores that do not fit are spoken of once", .serialized)
struct CoresTests {
    private static var cores: Int { ProcessInfo.processInfo.activeProcessorCount }

    private func notices(_ result: Program.Result) -> [Substring] {
        result.output.split(separator: "\n").filter { $0.hasPrefix("note: ") }
    }

    @Test("more ranks than cores: said, and ranks that wait leave their core to others", .enabled(if: cores <= 16))
    func crowded() throws {
        let ranks = Self.cores + 1
        let result = try Program.run(
            SmallRun.arguments("", images: 4 * ranks, batch: 2 * ranks), ranks: ranks,
            // As a host file that claims a slot for each rank: mpirun does not notice.
            environment: ["OMPI_MCA_mpi_oversubscribe": "0"])
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(
            notices(result).count == 1 && notices(result)[0].contains("\(ranks) ranks × 1 thread"), "\(result.output)")
    }

    @Test("a rank bound to one core of several", .enabled(if: cores > 1))
    func bound() throws {
        let command = ["mpirun", "-n", "1", "--bind-to", "core", Program.path]
        let result = try Program.launch(command + SmallRun.arguments("", images: 16), timeout: 120)
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
