import Planning
import Testing

@Suite("Collectives cost what their messages do")
struct CollectiveCostTests {
    private func rounds(_ collective: Collective, _ ranks: Int, perNode: Int = 1) -> [CollectiveRound] {
        collective.rounds(ranks: ranks, ranksPerNode: perNode)
    }

    @Test("the algorithm is the one that Open MPI's non-blocking sum takes")
    func selection() {
        func taken(_ ranks: Int, _ elements: Int) -> Collective {
            Collective.sum(ranks: ranks, elements: elements, bytes: 4 * elements)
        }
        #expect([2, 3].map { taken($0, 2 << 20) } == [.binomialTree, .binomialTree])
        #expect(taken(4, 16383) == .binomialTree && taken(4, 16384) == .rabenseifner)
        #expect(taken(32767, 16384) == .rabenseifner && taken(32768, 32768) == .rabenseifner)
        #expect(taken(32768, 32767) == .ring)
        #expect(Collective.smallSum(ranks: 127) == .recursiveDoubling)
        #expect(Collective.smallSum(ranks: 128) == .binomialTree)
    }

    @Test("one rank sends nothing")
    func alone() {
        for collective in [Collective.binomialTree, .rabenseifner, .ring, .recursiveDoubling, .gather, .parts] {
            #expect(rounds(collective, 1).isEmpty)
        }
    }

    @Test("up a tree and down again, the whole message")
    func tree() {
        let two = rounds(.binomialTree, 2)
        #expect(two.map(\.link) == [1, 1] && two.map(\.received) == [1, 1])
        // Rank 0 takes in what rank 1 sends, then rank 1 what rank 0 sends.
        #expect(two.map(\.meanReceived) == [0.5, 0.5])
        let five = rounds(.binomialTree, 5)
        #expect(five.map(\.link) == [1, 1, 1, 1, 1, 1])
        #expect(five.map(\.meanMessages) == [0.4, 0.2, 0.2, 0.2, 0.4, 0.2])
    }

    @Test("halving and doubling on a power of two")
    func rabenseifner() {
        let eight = rounds(.rabenseifner, 8)
        #expect(eight.map(\.link) == [0, 0.5, 0.25, 0.125, 0.125, 0.25, 0.5])
        #expect(eight.map(\.received) == [1, 0.5, 0.25, 0.125, 0.125, 0.25, 0.5])
        #expect(eight.map(\.messages) == [0, 1, 1, 1, 1, 1, 1])
    }

    @Test("ranks beyond a power of two join their neighbours and get the result at the end")
    func rabenseifnerFolded() {
        let six = rounds(.rabenseifner, 6)
        #expect(six.map(\.link) == [0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.5, 1])
        // Of six ranks four exchange halves in the first join, four go on afterwards, two get the result.
        #expect(abs(six[1].meanReceived - 2.0 / 6) < 1e-12 && abs(six[7].meanReceived - 2.0 / 6) < 1e-12)
    }

    @Test("within a node the large halves cost no link, and the ranks of a node share it")
    func nodes() {
        let rounds = rounds(.rabenseifner, 8, perNode: 4)
        #expect(rounds.map(\.link) == [0, 0, 0, 0.5, 0.5, 0, 0])
        let allWithin = self.rounds(.rabenseifner, 8, perNode: 8)
        #expect(allWithin.allSatisfy { $0.link == 0 })
    }

    @Test(
        "a link carries 2·(1 - 1/nodes) of the message, the least that is possible", arguments: [1, 2, 8], [2, 4, 64])
    func leastPossible(perNode: Int, nodes: Int) {
        let total = rounds(.rabenseifner, perNode * nodes, perNode: perNode).reduce(0) { $0 + $1.link }
        #expect(abs(total - 2 * (1 - 1 / Double(nodes))) < 1e-12)
        let ring = rounds(.ring, perNode * nodes, perNode: perNode)
        let ranks = Double(perNode * nodes)
        #expect(abs(ring.reduce(0) { $0 + $1.link } - 2 * (ranks - 1) / ranks) < 1e-9)
    }

    @Test("recursive doubling exchanges the whole message at every distance")
    func recursiveDoubling() {
        #expect(rounds(.recursiveDoubling, 8).map(\.link) == [1, 1, 1])
        #expect(rounds(.recursiveDoubling, 5).map(\.link) == [1, 1, 1, 1])
        // Four ranks of a node exchange with four of the other at once.
        #expect(rounds(.recursiveDoubling, 8, perNode: 4).map(\.link) == [0, 0, 4])
    }

    @Test("gathering brings every rank all others' parts, at once")
    func gather() {
        let all = rounds(.gather, 8, perNode: 4)
        // 4 ranks send to 4 elsewhere.
        #expect(all.count == 1 && all[0].link == 16 && all[0].received == 7 && all[0].messages == 7)
        #expect(rounds(.gather, 4, perNode: 4)[0].link == 0)
        // An eighth of a message that all share.
        let parts = rounds(.parts, 8, perNode: 4)
        #expect(parts.count == 1 && parts[0].link == 2 && parts[0].received == 7.0 / 8 && parts[0].messages == 7)
    }

    private var cluster: Cluster {
        var cluster = Cluster()
        (cluster.nodes, cluster.linkBandwidth, cluster.linkLatency) = (2, 1e9, 50e-6)
        (cluster.rankBandwidth, cluster.messageOverhead) = (4e9, 1e-6)
        return cluster
    }

    @Test("seconds are latency, bytes over the link, and bytes and messages taken in")
    func seconds() {
        let costs = rounds(.binomialTree, 2).costs(bytes: 8_000_000, on: cluster)
        for cost in costs {
            // 8 MB at 1 GB/s, 50 µs; 8 MB at 4 GB/s and one message, of which each rank has half.
            #expect(abs(cost.link - 8e-3) < 1e-12 && cost.latency == 50e-6)
            #expect(abs(cost.handling - 2.001e-3) < 1e-12 && abs(cost.meanHandling - 1.0005e-3) < 1e-12)
            #expect(abs(cost.seconds - 10.051e-3) < 1e-12 && !cost.isOwnCopy)
        }
    }

    @Test("a node's own messages have no latency of the network, a copy waits for nobody")
    func local() {
        let costs = rounds(.rabenseifner, 4, perNode: 4).costs(bytes: 4_000_000, on: cluster)
        #expect(costs.allSatisfy { $0.latency == 0 && $0.link == 0 })
        #expect(costs.map(\.isOwnCopy) == [true, false, false, false, false])
        #expect(abs(costs[0].handling - 1e-3) < 1e-12)
    }

    @Test("without limits nothing costs anything")
    func unlimited() {
        let costs = rounds(.rabenseifner, 8, perNode: 2).costs(bytes: 1 << 30, on: Cluster())
        #expect(costs.allSatisfy { $0.seconds == 0 })
    }
}
