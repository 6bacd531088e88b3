internal import Host
package import ImageFiles
package import ImageSources

/// The images in tar shards: where each lies, and its label.
///
/// An image is a member whose name ends in .jpg, .jpeg or .png, in any case, also after another ending (`7.left.jpg`). Labels
/// are those of WebDataset, in members `.cls` or `.json` of the same key; without any, members in directories have classes as
/// files in directories have. Images are in the order of their names, as those of a folder are, not in that of the shards.
package struct TarIndex: Sendable {
    package let index: SampleIndex
    /// Members that are neither images nor labels: how many, and one of them.
    package let others: (count: Int, example: String?)
    package let root: String

    /// - Parameters:
    ///   - root: the directory that the names of `files` are in.
    ///   - progress: is told the number of images found so far, now and then.
    package init(
        root: String, files: NameTable, progress: (Int) -> Void = { _ in }
    ) throws(ImageDataError) {
        self.root = root
        var members = TarMembers()
        for number in 0..<files.count {
            let path = Array(Directories.child(root, "").utf8) + files[number]
            try members.add(TarFile(path), number: UInt32(number))
            progress(members.names.count)
        }
        others = members.others
        index = try members.index(root: root, files: files)
    }
}
