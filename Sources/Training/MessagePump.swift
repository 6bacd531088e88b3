package import DataParallel
package import Runs
internal import Tensors

/// Looks after all messages of a step while this rank computes, and accounts for the time that they take.
///
/// The first member of the team alone calls it. What goes wrong with a message is kept until all members are done with
/// their job.
package final class MessagePump: TeamAttendant {
    package let clock: PhaseClock
    private var messages: [any InFlight] = []
    private var failure: (any Error)?
    private var lastLook = ContinuousClock.now

    /// A look takes a microsecond or two if nothing has come, which is not worth accounting for.
    private static var lookEvery: Duration { .microseconds(100) }

    package init(_ clock: PhaseClock) { self.clock = clock }

    /// Looks after these too. Micro-batches may share a message, which is looked after once.
    package func add(_ more: [any InFlight]) {
        for each in more where !messages.contains(where: { $0 === each }) { messages.append(each) }
    }

    /// Lets messages move, between two operations.
    package func look() {
        guard failure == nil && messages.contains(where: { $0.isBusy }) else { return }
        let start = ContinuousClock.now
        guard start - lastLook > Self.lookEvery else { return }
        keepFailure { for each in messages where each.isBusy { try each.progress() } }
        lastLook = .now
        if lastLook - start > Self.lookEvery { clock.count(.communication, from: start) }
    }

    /// Does something about messages, unless something failed before.
    package func attempt(_ body: () throws -> Void) {
        guard failure == nil else { return }
        clock.count(.communication) { keepFailure(body) }
    }

    /// What failed since the last call, if anything.
    package func throwFailure() throws {
        defer { failure = nil }
        if let failure { throw failure }
    }

    /// Waits for all that is under way. Collective.
    package func finish() throws {
        try clock.count(.communication) { for each in messages where each.isBusy { try each.finish() } }
    }

    private func keepFailure(_ body: () throws -> Void) {
        do { try body() } catch { failure = error }
    }
}
