import Foundation
import TestSupport
import Testing

@Suite("The timeline shows what every rank did, and messages under way behind it", .serialized)
struct TimelineTests {
    private struct Trace: Decodable {
        struct Event: Decodable {
            let name: String
            let ph: String
            let ts: Double?
            let dur: Double?
            let pid: Int
            let tid: Int

            var range: ClosedRange<Double> { (ts ?? 0)...((ts ?? 0) + (dur ?? 0)) }
        }
        let traceEvents: [Event]
    }

    @Test("buckets leave while backward runs, features travel while the decoder runs")
    func overlap() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("trace.json")
        let result = try Program.run(
            [
                "bench", "--model", "mae_vit_tiny_patch16", "--input-size", "96", "--batch-size", "4", "--steps", "4",
                "--timeline", path,
            ], ranks: 2)
        #expect(result.exitCode == 0, "\(result.errors)")
        let trace = try JSONDecoder().decode(Trace.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        let spans = trace.traceEvents.filter { $0.ph == "X" }
        #expect(Set(spans.map(\.pid)) == [0, 1])
        for rank in 0..<2 {
            let own = spans.filter { $0.pid == rank }
            func named(_ name: String) -> [Trace.Event] { own.filter { $0.name == name } }
            func overlaps(_ messages: [Trace.Event], _ phases: [Trace.Event]) -> Bool {
                messages.contains { message in phases.contains { $0.range.overlaps(message.range) } }
            }
            #expect(overlaps(named("bucket"), named("backward")))
            #expect(overlaps(named("exchange"), named("forward")))
            // Phases follow one another: none begins before the one before it has ended.
            let phases = own.filter { $0.tid == 0 }.sorted { ($0.ts ?? 0) < ($1.ts ?? 0) }
            for (a, b) in zip(phases, phases.dropFirst()) { #expect(a.range.upperBound <= b.range.lowerBound + 0.01) }
        }
        // On one clock both ranks are in the same steps at the same time: each has begun before the other has ended.
        let starts = (0..<2).map { rank in spans.filter { $0.pid == rank }.map(\.range.lowerBound).min() ?? 0 }
        let ends = (0..<2).map { rank in spans.filter { $0.pid == rank }.map(\.range.upperBound).max() ?? 0 }
        #expect(starts[0] < ends[1] && starts[1] < ends[0], "\(starts), \(ends)")
    }

    @Test("a file that cannot be written is said before anything runs")
    func unwritable() throws {
        let result = try Program.run(["bench", "--steps", "1", "--timeline", "/no/such/place/trace.json"], ranks: 2)
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("/no/such/place/trace.json") == true)
    }
}
