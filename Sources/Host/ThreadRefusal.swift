/// A thread that the system would not start.
package struct ThreadRefusal: Error, Equatable, CustomStringConvertible {
    /// Which it was: "thread 3 of 8".
    package let thread: String
    /// What pthread_create returned.
    package let code: Int32

    package init(_ thread: String, code: Int32) {
        self.thread = thread
        self.code = code
    }

    package var description: String {
        "the system refused \(thread) (\(SystemErrors.text(of: code))): lower --threads, start fewer ranks on this "
            + "host, or raise its limit on processes (ulimit -u)"
    }
}
