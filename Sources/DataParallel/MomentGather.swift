package import Communication
package import Tensors

/// Brings an optimizer's moments, of which every rank keeps its share, together on rank 0, bucket by bucket while something
/// else is computed.
package final class MomentGather: InFlight {
    private let communicator: any Communicator
    private let shares: [Matrix]
    private let wholes: [Matrix]?
    /// What the other ranks receive.
    private let nothing = Matrix(rows: 1, columns: 1)
    private let pieces: [Piece]
    /// One for every bucket of every row, in the order in which they are started.
    private let slots: [CollectiveSlot]
    private var arrived: Int

    private struct Piece {
        let range: Range<Int>
        /// This rank's part of the range, and its place in the shares.
        let own: Range<Int>
        let place: Range<Int>
        /// What is sent, relative to `place`, and what rank 0 receives, relative to `range`; it keeps its own.
        let sendParts: RankParts
        let receiveParts: RankParts
    }

    /// - Parameters:
    ///   - shares: [1, m], this rank's parts of all buckets one after another, as `BucketLayout.parts` has them.
    ///   - wholes: [1, n] for each share, on rank 0 alone.
    package init(_ communicator: any Communicator, _ layout: BucketLayout, shares: [Matrix], wholes: [Matrix]?) {
        precondition((communicator.rank == 0) == (wholes != nil), "rows come together on rank 0")
        self.communicator = communicator
        self.shares = shares
        self.wholes = wholes
        let isRoot = communicator.rank == 0
        var end = 0
        pieces = layout.buckets.indices.reversed().map { bucket in
            let range = layout.buckets[bucket]
            let own = layout.part(of: bucket, rank: communicator.rank)
            let place = end..<end + own.count
            end = place.upperBound
            let sent = (0..<layout.ranks).map { $0 == 0 && !isRoot ? 0..<own.count : 0..<0 }
            let received = layout.parts(within: bucket).enumerated().map { isRoot && $0 != 0 ? $1 : 0..<0 }
            return Piece(
                range: range, own: own, place: place, sendParts: RankParts(sent), receiveParts: RankParts(received))
        }
        precondition(shares.allSatisfy { $0.columns == end }, "a share is not what the layout says")
        slots = (0..<shares.count * pieces.count).map { _ in CollectiveSlot() }
        arrived = slots.count
    }

    /// Shares stay as they are until this is finished. Collective.
    package func start() throws {
        try finish()
        for (index, share) in shares.enumerated() {
            for (number, piece) in pieces.enumerated() {
                let target = wholes?[index].columns(piece.range) ?? nothing
                try communicator.startAllToAll(
                    send: Operand(share.columns(piece.place)), piece.sendParts, receive: Operand(target),
                    piece.receiveParts,
                    in: slots[index * pieces.count + number])
            }
        }
        arrived = 0
        guard let wholes else { return }
        for (share, whole) in zip(shares, wholes) {
            for piece in pieces { whole.columns(piece.own).copy(from: share.columns(piece.place)) }
        }
    }

    package var isBusy: Bool { arrived < slots.count }

    package func progress() throws {
        while isBusy, try slots[arrived].test() { arrived += 1 }
    }

    package func finish() throws {
        while isBusy {
            try slots[arrived].wait()
            arrived += 1
        }
    }
}
