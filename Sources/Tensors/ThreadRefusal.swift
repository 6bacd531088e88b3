import Glibc

/// A thread that the system would not start.
package struct ThreadRefusal: Error, CustomStringConvertible {
    /// Which it was: "thread 3 of 8".
    package let thread: String
    /// What pthread_create returned.
    package let code: Int32

    package init(_ thread: String, code: Int32) {
        self.thread = thread
        self.code = code
    }

    package var description: String {
        "the system refused \(thread) (\(unsafe String(cString: strerror(code)))): lower --threads, start fewer ranks on "
            + "this host, or raise its limit on processes (ulimit -u)"
    }
}
