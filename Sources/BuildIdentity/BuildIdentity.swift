/// Which program this is.
package enum BuildIdentity {
    package static let version = "0.1.0-dev"

    /// The commit it was built from, with a word if the sources had changes; nil if that could not be known.
    ///
    /// Not inlined, so that another commit does not compile other modules anew.
    @inline(never)
    package static func commit() -> String? { commitOfThisBuild.isEmpty ? nil : commitOfThisBuild }

    /// The compiler that built it, as far as a source file can know.
    package static var compiler: String {
        #if compiler(>=6.5)
            "Swift 6.5 or newer"
        #elseif compiler(>=6.4)
            "Swift 6.4"
        #elseif compiler(>=6.3)
            "Swift 6.3"
        #else
            "Swift 6.2"
        #endif
    }
}
