/// `3 ranks`, `1 rank`; for nouns that take an s.
package func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
