import Glibc

/// A thread of the system that runs one body, beside the thread that started it.
///
/// What the body captures lives at least as long as it runs. Whoever starts a thread waits for it with `join`, or it goes on
/// by itself to its end.
package final class BackgroundThread {
    private var thread: pthread_t?

    /// - Parameter what: for the message of a refusal: "thread 3 of 8".
    /// - Throws: if the system gives no thread.
    package init(_ what: String, _ body: @escaping () -> Void) throws(ThreadRefusal) {
        let start = unsafe Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            unsafe start.release()
            throw ThreadRefusal(what, code: code)
        }
        self.thread = thread
    }

    deinit {
        if let thread { pthread_detach(thread) }
    }

    /// Returns when the body has; at once on the thread itself, which cannot wait for its own end, and a second time.
    package func join() {
        guard let thread else { return }
        if pthread_equal(thread, pthread_self()) != 0 { pthread_detach(thread) } else { pthread_join(thread, nil) }
        self.thread = nil
    }

    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }
}
