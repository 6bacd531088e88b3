/// Where ranks stand, and what messages between them cost.
///
/// Ranks fill one node after another, as mpirun places them: rank r stands on node r / ranksPerNode. All nodes are alike,
/// and the network between them is never what limits: only each node's own link to it is.
package struct Cluster: Equatable, Sendable {
    package var nodes: Int
    package var ranksPerNode: Int
    /// Bytes per second of a node's link, in each direction at the same time; the node's ranks share it.
    package var linkBandwidth: Double
    /// Seconds that a message between nodes takes besides its bytes.
    package var linkLatency: Double
    /// Bytes of a rank that leave between two looks after messages at most: what the sockets' buffers of TCP hold. Infinite
    /// where the network moves a posted message by itself.
    package var window: Double
    /// Bytes per second at which a rank's core takes in, and sends as many, through the network's protocols. Infinite where
    /// the network does without the core.
    package var protocolBandwidth: Double
    /// Bytes per second at which a rank takes in what it receives, copying and adding, while the other ranks of its node
    /// do so too. It is the rank's own core that does this, within a node and between nodes.
    package var rankBandwidth: Double
    /// Seconds of the rank's core for each message it receives.
    package var messageOverhead: Double

    package init(
        nodes: Int, ranksPerNode: Int, linkBandwidth: Double, linkLatency: Double, window: Double = .infinity,
        protocolBandwidth: Double = .infinity, rankBandwidth: Double, messageOverhead: Double
    ) {
        self.nodes = nodes
        self.ranksPerNode = ranksPerNode
        self.linkBandwidth = linkBandwidth
        self.linkLatency = linkLatency
        self.window = window
        self.protocolBandwidth = protocolBandwidth
        self.rankBandwidth = rankBandwidth
        self.messageOverhead = messageOverhead
    }

    package var ranks: Int { nodes * ranksPerNode }

    /// Seconds for which a node's link has work between two looks at most.
    package var windowSeconds: Double { Double(ranksPerNode) * window / linkBandwidth }
}

/// What one round of a collective costs for a message of known size.
package struct RoundCost: Equatable, Sendable {
    /// Seconds in which the busiest link carries this round's bytes, and no other's.
    package var link: Double
    /// Seconds until the last byte arrives besides those.
    package var latency: Double
    /// Seconds that the busiest rank spends on taking in what it receives; all others wait for it if they have nothing
    /// else to do.
    package var handling: Double
    /// The same, of the mean rank: what the round takes from a rank that computes meanwhile.
    package var meanHandling: Double
    /// Whether nothing is waited for: a copy within the rank.
    package var isOwnCopy: Bool

    package init(link: Double, latency: Double, handling: Double, meanHandling: Double, isOwnCopy: Bool) {
        self.link = link
        self.latency = latency
        self.handling = handling
        self.meanHandling = meanHandling
        self.isOwnCopy = isOwnCopy
    }

    /// Seconds of the round where nothing else happens.
    package var seconds: Double { link + latency + handling }
}

extension [CollectiveRound] {
    /// The cost of each round for a message of `bytes`, one after another.
    package func costs(bytes: Int, on cluster: Cluster) -> [RoundCost] {
        map { round in
            let bytes = Double(bytes)
            let protocols = round.link / Double(cluster.ranksPerNode) * bytes / cluster.protocolBandwidth
            let sharedProtocols = round.received > 0 ? protocols * round.meanReceived / round.received : 0
            return RoundCost(
                link: round.link * bytes / cluster.linkBandwidth,
                latency: round.link > 0 ? cluster.linkLatency : 0,
                handling: round.received * bytes / cluster.rankBandwidth
                    + Double(round.messages) * cluster.messageOverhead + protocols,
                meanHandling: round.meanReceived * bytes / cluster.rankBandwidth
                    + round.meanMessages * cluster.messageOverhead + sharedProtocols,
                isOwnCopy: round.messages == 0 && round.link == 0)
        }
    }
}
