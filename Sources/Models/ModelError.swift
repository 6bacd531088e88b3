/// A model that cannot be built as asked.
package struct ModelError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
