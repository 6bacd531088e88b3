internal import Host

/// What can be wrong with shards. `description` stands after the name of the file, or of what was given for it.
package enum ArchiveProblem: Error, Equatable {
    case compressed(String)
    case damaged(position: Int, reason: String)
    case memberBeyondEnd(member: String)
    /// A file with holes, which tar keeps apart: its bytes are nowhere in one piece.
    case sparse(member: String)
    case tooLarge(member: String)
    case badLabel(member: String, text: String, largest: Int)
    case missingLabel(member: String)
    case duplicate(member: String)
    case missingShards(count: Int, of: Int, first: String)
    case tooManyShards(most: Int)

    package var description: String {
        switch self {
        case .compressed(let method):
            "is compressed (\(method)), and images are read at their places in a tar; unpack it to a .tar or to its files"
        case .damaged(let position, let reason):
            "is damaged at byte \(position): \(reason); fetch it again"
        case .memberBeyondEnd(let member):
            "ends before its member \(Self.short(member)) does; it is truncated, fetch it again"
        case .sparse(let member):
            "keeps its member \(Self.short(member)) without its holes (--sparse), which are not read; pack it anew"
        case .tooLarge(let member): "has a member larger than 1 GiB, which is no image: \(Self.short(member))"
        case .badLabel(let member, let text, let largest):
            "the label in its member \(Self.short(member)) is no whole number from 0 to \(largest): "
                + Self.short(text)
        case .missingLabel(let member):
            "its member \(Self.short(member)) has no label, and other images have one; give each a .cls or a .json with "
                + "\"label\" or \"cls\", or none"
        case .duplicate(let member):
            "holds two images of one key, the second of them \(Self.short(member)); the key is the path up to the first "
                + "dot of the file's name"
        case .missingShards(let count, let all, let first):
            "\(count) of its \(all) files are missing, the first of them \(Self.short(first))"
        case .tooManyShards(let most): "stands for more than \(most) files"
        }
    }

    /// Names in archives may be of any length, and have any bytes.
    private static func short(_ text: String) -> String { text.printable(limit: 200) }
}
