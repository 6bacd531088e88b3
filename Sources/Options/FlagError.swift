/// What a library says of a fault, with the flag that it is about, or that helps: libraries do not know of flags.
struct FlagError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
