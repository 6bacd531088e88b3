/// One round of a collective operation: messages that travel at the same time. Shares are of the operation's message.
package struct CollectiveRound: Equatable, Sendable {
    /// What the link of the busiest node carries in its busier direction.
    package var link = 0.0
    /// What the busiest rank receives, or copies.
    package var received = 0.0
    /// What a rank receives in the mean over all of them.
    package var meanReceived = 0.0
    /// Messages that the busiest rank receives, and the mean.
    package var messages = 0
    package var meanMessages = 0.0

    /// A copy that every rank makes of its whole message.
    static let ownCopy = CollectiveRound(received: 1, meanReceived: 1)
}

/// Counts the messages of one round.
struct RoundTally {
    let ranks: Int
    let ranksPerNode: Int
    private var outgoing: [Double]
    private var incoming: [Double]
    private var received: [Double]
    private var messages: [Int]

    init(ranks: Int, ranksPerNode: Int) {
        self.ranks = ranks
        self.ranksPerNode = ranksPerNode
        let nodes = (ranks + ranksPerNode - 1) / ranksPerNode
        outgoing = [Double](repeating: 0, count: nodes)
        incoming = outgoing
        received = [Double](repeating: 0, count: ranks)
        messages = [Int](repeating: 0, count: ranks)
    }

    mutating func send(_ share: Double, from sender: Int, to receiver: Int) {
        let (there, here) = (sender / ranksPerNode, receiver / ranksPerNode)
        if there != here {
            outgoing[there] += share
            incoming[here] += share
        }
        received[receiver] += share
        messages[receiver] += 1
    }

    var round: CollectiveRound {
        CollectiveRound(
            link: max(outgoing.max() ?? 0, incoming.max() ?? 0), received: received.max() ?? 0,
            meanReceived: received.reduce(0, +) / Double(ranks), messages: messages.max() ?? 0,
            meanMessages: Double(messages.reduce(0, +)) / Double(ranks))
    }
}
