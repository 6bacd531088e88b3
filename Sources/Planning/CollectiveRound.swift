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

    /// What one rank sends another.
    struct Message {
        let share: Double
        let sender: Int
        let receiver: Int

        init(_ share: Double, from sender: Int, to receiver: Int) {
            self.share = share
            self.sender = sender
            self.receiver = receiver
        }
    }

    /// A copy that every rank makes of its whole message.
    static let ownCopy = CollectiveRound(received: 1, meanReceived: 1)
}

extension CollectiveRound {
    /// Counts the messages of a round.
    init(_ messages: [Message], ranks: Int, ranksPerNode: Int) {
        let nodes = (ranks + ranksPerNode - 1) / ranksPerNode
        var outgoing = [Double](repeating: 0, count: nodes)
        var incoming = outgoing
        var received = [Double](repeating: 0, count: ranks)
        var counts = [Int](repeating: 0, count: ranks)
        for message in messages {
            let (there, here) = (message.sender / ranksPerNode, message.receiver / ranksPerNode)
            if there != here {
                outgoing[there] += message.share
                incoming[here] += message.share
            }
            received[message.receiver] += message.share
            counts[message.receiver] += 1
        }
        link = max(outgoing.max() ?? 0, incoming.max() ?? 0)
        self.received = received.max() ?? 0
        meanReceived = received.reduce(0, +) / Double(ranks)
        self.messages = counts.max() ?? 0
        meanMessages = Double(messages.count) / Double(ranks)
    }
}
