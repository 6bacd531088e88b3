/// Where ranks stand, and what messages between them cost: nothing, as far as nothing is said.
///
/// Ranks fill one node after another, as mpirun places them: rank r stands on node r / ranksPerNode. All nodes are alike,
/// and the network between them is never what limits: only each node's own link to it is.
package struct Cluster: Equatable, Sendable {
    package var nodes = 1
    package var ranksPerNode = 1
    /// Bytes per second of a node's link, in each direction at the same time; the node's ranks share it.
    package var linkBandwidth = Double.infinity
    /// Seconds that a message between nodes takes besides its bytes.
    package var linkLatency = 0.0
    /// Bytes of a rank that leave between two looks after messages at most: what the sockets' buffers of TCP hold. Infinite
    /// where the network moves a posted message by itself.
    package var window = Double.infinity
    /// Bytes per second at which a rank's core takes in, and sends as many, through the network's protocols. Infinite where
    /// the network does without the core.
    package var protocolBandwidth = Double.infinity
    /// Bytes per second at which a rank takes in what it receives, copying and adding, while the other ranks of its node
    /// do so too. It is the rank's own core that does this, within a node and between nodes.
    package var rankBandwidth = Double.infinity
    /// Seconds of the rank's core for each message it receives.
    package var messageOverhead = 0.0

    package init() {}

    package var ranks: Int { nodes * ranksPerNode }

    /// Seconds for which a node's link has work between two looks at most.
    var windowSeconds: Double { Double(ranksPerNode) * window / linkBandwidth }
}
