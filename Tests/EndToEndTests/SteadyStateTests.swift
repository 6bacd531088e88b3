import Foundation
import Testing

/// What a training step may not do once it runs, counted.
@Suite("A step in the steady state allocates nothing, and the plan is what is used")
struct SteadyStateTests {
    private struct Figures: Decodable {
        let peak_memory_bytes: Int
        let planned_memory_bytes: Int
        let planned_memory_by_purpose: [String: Int]
        let page_faults_per_step: Double
    }

    private static let micro = [
        "bench", "--json", "--model", "mae_vit_micro_patch4", "--input-size", "28", "--in-chans", "1", "--batch-size",
        "4",
    ]

    /// Heap allocations of a whole run, by a library that counts them.
    private func allocations(steps: Int, threads: Int, _ more: [String]) throws -> Int {
        let result = try Program.run(
            Self.micro + ["--steps", "\(steps)", "--threads", "\(threads)"] + more,
            environment: ["LD_PRELOAD": Program.library("AllocationCounter")])
        try #require(result.exitCode == 0, "\(result.errors)")
        // The launcher's `env` reports too, before it becomes the program.
        let line = try #require(result.errors.split(separator: "\n").last { $0.hasPrefix("allocations: ") })
        return try #require(Int(line.dropFirst("allocations: ".count)))
    }

    @Test(
        "no heap allocation", arguments: [1, 2],
        [
            ["--precision", "fp32"], ["--precision", "auto"], ["--accum-iter", "2"], ["--recompute-activations"],
            ["--reg", "none"],
        ])
    func noAllocation(threads: Int, more: [String]) throws {
        let few = try allocations(steps: 5, threads: threads, more)
        let many = try allocations(steps: 45, threads: threads, more)
        #expect(few > 100, "the counter counts")
        // Start and end of a run differ by a few from run to run; one for each step would be forty.
        #expect(many - few < 20, "\(few) for 5 steps, \(many) for 45")
    }

    @Test("planned memory is resident memory", arguments: [[], ["--recompute-activations"], ["--accum-iter", "2"]])
    func plan(more: [String]) throws {
        let result = try Program.run(
            [
                "bench", "--json", "--model", "mae_vit_tiny_patch16", "--input-size", "224", "--batch-size", "16",
                "--steps", "2",
            ] + more)
        try #require(result.exitCode == 0, "\(result.errors)")
        let figures = try JSONDecoder().decode(Figures.self, from: Data(result.output.utf8))
        let (planned, peak) = (figures.planned_memory_bytes, figures.peak_memory_bytes)
        #expect(figures.planned_memory_by_purpose.values.reduce(0, +) == planned)
        // The program itself, its libraries and synthetic images; all that is planned is touched.
        #expect(peak >= planned && peak < planned + 90 << 20, "\(planned >> 20) MiB planned, \(peak >> 20) MiB used")
        #expect(figures.page_faults_per_step < 20)
    }
}
