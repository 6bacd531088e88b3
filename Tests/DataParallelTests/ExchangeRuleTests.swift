import Communication
import DataParallel
import Tensors
import Testing

@Suite("Which way gradients are summed")
struct ExchangeRuleTests {
    private func layout(_ hosts: Int, _ ranksPerHost: Int, ranks: Int? = nil) -> HostLayout {
        HostLayout(ranks: ranks ?? hosts * ranksPerHost, hosts: hosts, ranksPerHost: ranksPerHost)
    }

    @Test("by itself: directly within a host or with one rank on each, up to 16 ranks, and by MPI elsewhere")
    func automatic() {
        let exchange = GradientSumConfiguration()
        for direct in [layout(1, 1), layout(1, 2), layout(1, 16), layout(2, 1), layout(16, 1)] {
            #expect(exchange.resolvedAlgorithm(on: direct) == .direct, "\(direct)")
        }
        for other in [layout(1, 17), layout(17, 1), layout(2, 2), layout(2, 8), layout(8, 2), layout(128, 8)] {
            #expect(exchange.resolvedAlgorithm(on: other) == .allReduce, "\(other)")
        }
        // Two ranks on one host and one on another.
        #expect(exchange.resolvedAlgorithm(on: layout(2, 2, ranks: 3)) == .allReduce)
    }

    @Test("what is asked for is done, and what only ranks themselves can do is done by them")
    func asked() {
        var exchange = GradientSumConfiguration()
        for algorithm in [GradientSumConfiguration.Algorithm.direct, .allReduce] {
            exchange.algorithm = algorithm
            for layout in [layout(1, 2), layout(2, 8), layout(64, 1)] {
                #expect(exchange.resolvedAlgorithm(on: layout) == algorithm)
                #expect(exchange.noteOnLinks(layout) == nil)
            }
        }
        for (flag, change) in [
            ("--shard-optimizer", { (e: inout GradientSumConfiguration) in e.shardsOptimizer = true }),
            ("--gradient-wire bf16", { $0.wire = .bfloat16 }), ("--deterministic", { $0.fixedShards = 8 }),
        ] {
            var forced = exchange
            change(&forced)
            #expect(forced.resolvedAlgorithm(on: layout(2, 8)) == .direct)
            let note = forced.noteOnLinks(layout(2, 8)) ?? ""
            #expect(note.contains(flag) && note.contains("8 times"), "\(note)")
            #expect(forced.noteOnLinks(layout(16, 1)) == nil && forced.noteOnLinks(layout(1, 16)) == nil)
        }
    }
}
