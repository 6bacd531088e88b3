internal import Tensors
import Glibc

/// What to do between two looks for a message that is waited for: nothing at first, for it is mostly near; later to sleep
/// for moments, so that a rank whose core another program took can be given this one. MPI_Wait never sleeps.
struct MessagePause {
    private let start = Wait.now()

    /// Nanoseconds of looking without sleep.
    private static var spinning: Int64 { 2_000_000 }
    /// Nanoseconds of a sleep; the system adds some 50 µs. In that time buffers of the network do not run dry.
    private static var sleeping: Int { 20_000 }

    mutating func next() {
        guard Wait.now() - start > Self.spinning else { return }
        var time = timespec(tv_sec: 0, tv_nsec: Self.sleeping)
        unsafe nanosleep(&time, nil)
    }
}
