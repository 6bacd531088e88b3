import Glibc

/// What the system says about its error numbers.
package enum SystemErrors {
    /// `No space left on device`
    package static func text(of code: Int32) -> String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }
}
