/// What one round of a collective costs for a message of known size.
package struct RoundCost: Equatable, Sendable {
    /// Seconds in which the busiest link carries this round's bytes, and no other's.
    package var link = 0.0
    /// Seconds until the last byte arrives besides those.
    package var latency = 0.0
    /// Seconds that the busiest rank spends on taking in what it receives; all others wait for it if they have nothing
    /// else to do.
    package var handling = 0.0
    /// The same, of the mean rank: what the round takes from a rank that computes meanwhile.
    package var meanHandling = 0.0
    /// Whether nothing is waited for: a copy within the rank.
    package var isOwnCopy = false

    package init() {}

    /// Seconds of the round where nothing else happens.
    package var seconds: Double { link + latency + handling }
}

extension [CollectiveRound] {
    /// The cost of each round for a message of `bytes`, one after another.
    package func costs(bytes: Int, on cluster: Cluster) -> [RoundCost] {
        let bytes = Double(bytes)
        return map { round in
            let protocols = round.link / Double(cluster.ranksPerNode) * bytes / cluster.protocolBandwidth
            let sharedProtocols = round.received > 0 ? protocols * round.meanReceived / round.received : 0
            var cost = RoundCost()
            cost.link = round.link * bytes / cluster.linkBandwidth
            cost.latency = round.link > 0 ? cluster.linkLatency : 0
            cost.handling =
                round.received * bytes / cluster.rankBandwidth + Double(round.messages) * cluster.messageOverhead
                + protocols
            cost.meanHandling =
                round.meanReceived * bytes / cluster.rankBandwidth + round.meanMessages * cluster.messageOverhead
                + sharedProtocols
            cost.isOwnCopy = round.messages == 0 && round.link == 0
            return cost
        }
    }
}

/// What messages cost on a cluster; the rounds of each algorithm are counted once.
struct MessageCosts {
    let cluster: Cluster
    private var known: [Collective: [CollectiveRound]] = [:]

    init(on cluster: Cluster) { self.cluster = cluster }

    mutating func costs(of collective: Collective, bytes: Int) -> [RoundCost] {
        let rounds =
            known[collective] ?? collective.rounds(ranks: cluster.ranks, ranksPerNode: cluster.ranksPerNode)
        known[collective] = rounds
        return rounds.costs(bytes: bytes, on: cluster)
    }

    /// Of a sum that all ranks wait for.
    mutating func smallSum(bytes: Int) -> Double {
        costs(of: .smallSum(ranks: cluster.ranks), bytes: bytes).seconds
    }
}

extension [RoundCost] {
    /// Where nothing else happens.
    var seconds: Double { reduce(0) { $0 + $1.seconds } }
}
