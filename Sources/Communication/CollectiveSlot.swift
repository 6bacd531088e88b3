internal import Tensors

/// One collective in flight. It owns the views it works on until it is done, and is used again for the next step.
package final class CollectiveSlot: @unchecked Sendable {
    package internal(set) var isDone = true
    let request: Storage<UInt64>
    /// The collective's number as `HostTable` counts them; 0 where nobody counts.
    var number = 0
    private var send: AnyObject?
    private var receive: AnyObject?
    private var parts: (RankParts?, RankParts?)
    private var poll: ((CollectiveSlot, Bool) throws(CommunicationError) -> Bool)?

    package init() { request = Storage(count: 2) }

    /// What MPI still works on must not go with the slot.
    deinit {
        guard !isDone, let poll else { return }
        let slot = CollectiveSlot(finishing: request)
        UnfinishedCollectives.keep(
            .init(
                request: request, buffers: [send, receive, parts.0, parts.1],
                isOver: { () throws(CommunicationError) in try poll(slot, false) }))
    }

    /// Takes over a request that another slot leaves behind.
    private init(finishing request: Storage<UInt64>) { self.request = request }

    /// - Parameters:
    ///   - send: what keeps the memory of either.
    ///   - poll: lets the collective go on, or waits for it if that is asked for; returns whether it is over.
    package func begin(
        send: AnyObject, receive: AnyObject, parts: (RankParts?, RankParts?) = (nil, nil),
        poll: @escaping (CollectiveSlot, Bool) throws(CommunicationError) -> Bool
    ) {
        precondition(isDone, "a collective is started in a slot that is still in use")
        self.send = send
        self.receive = receive
        self.parts = parts
        self.poll = poll
        number = 0
        isDone = false
    }

    /// Lets MPI make progress; true when the collective is complete.
    @discardableResult
    package func test() throws(CommunicationError) -> Bool { try advance(waiting: false) }

    package func wait() throws(CommunicationError) { _ = try advance(waiting: true) }

    private func advance(waiting: Bool) throws(CommunicationError) -> Bool {
        if !isDone, let poll {
            isDone = try poll(self, waiting)
            if isDone {
                send = nil
                receive = nil
                parts = (nil, nil)
            }
        }
        return isDone
    }
}
