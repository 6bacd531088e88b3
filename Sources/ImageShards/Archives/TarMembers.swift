internal import Host
internal import ImageFiles
internal import ImageSources

/// What has been found in shards so far.
struct TarMembers {
    /// Images, in the order in which they were found.
    private(set) var names = NameTable()
    private var places: [SampleIndex.Place] = []
    /// −1 for none.
    private var labels: [Int32] = []
    /// Directories that archives name, whether there are images in them or not.
    private var directories = NameTable()

    /// Files that are neither images nor labels: how many, and one of them.
    private(set) var others: (count: Int, example: String?) = (0, nil)

    private static var largestImage: Int { 1 << 30 }

    // MARK: Reading a shard

    mutating func add(_ tar: TarFile, number: UInt32) throws(ImageDataError) {
        let first = names.count
        var given = GivenLabels()
        var links: [(name: [UInt8], target: [UInt8])] = []
        while let member = try tar.next() {
            if SamplePath.isHidden(member.name[...]) || member.name.isEmpty { continue }
            if member.isDirectory { directories.append(member.name) }
            let suffix = SamplePath.suffix(member.name[...])
            if let kind = MemberLabel.Kind(rawValue: suffix), member.isFile {
                try given.take(kind, member, from: tar)
            } else if FolderListing.isImage(".\(suffix)") {
                if let target = member.linkTarget { links.append((member.name, target)) }
                if member.isFile { try take(member, from: tar, number: number) }
            } else if member.isFile {
                others = (others.count + 1, others.example ?? String(decoding: member.name, as: UTF8.self))
            }
        }
        if !links.isEmpty { resolve(links, after: first) }
        try label(by: given, after: first, path: tar.path)
    }

    private mutating func take(
        _ member: TarFile.Member, from tar: TarFile, number: UInt32
    ) throws(ImageDataError) {
        let name = String(decoding: member.name, as: UTF8.self)
        guard !member.isSparse else { throw .archive(path: tar.path, .sparse(member: name)) }
        guard member.size <= Self.largestImage else { throw .archive(path: tar.path, .tooLarge(member: name)) }
        names.append(member.name)
        places.append(SampleIndex.Place(file: number, size: UInt32(member.size), offset: UInt64(member.offset)))
    }

    /// tar packs a file that has several names once; a link to what is not there is no image.
    private mutating func resolve(_ links: [(name: [UInt8], target: [UInt8])], after first: Int) {
        var found: [[UInt8]: SampleIndex.Place] = [:]
        for image in first..<names.count { found[Array(names[image])] = places[image] }
        for link in links {
            guard let place = found[link.target] else { continue }
            found[link.name] = place
            names.append(link.name)
            places.append(place)
        }
    }

    private mutating func label(
        by given: GivenLabels, after first: Int, path: String
    ) throws(ImageDataError) {
        guard !given.isEmpty else {
            labels.append(contentsOf: repeatElement(-1, count: names.count - first))
            return
        }
        let values = given.byKey
        var seen: Set<ArraySlice<UInt8>> = []
        for image in first..<names.count {
            let key = SamplePath.webDatasetKey(names[image])
            guard seen.insert(key).inserted else { throw .archive(path: path, .duplicate(member: names.text(image))) }
            labels.append(values[key] ?? -1)
        }
    }

    // MARK: The index of all shards

    consuming func index(root: String, files: NameTable) throws(ImageDataError) -> SampleIndex {
        if labels.contains(where: { $0 >= 0 }) { return try labelledIndex(root, files) }
        removeCommonDirectories()
        let order = sortedOrder()
        for (image, next) in zip(order, order.dropFirst())
        where places[image].file == places[next].file && names[image] == names[next] {
            throw .archive(
                path: Directories.child(root, files.text(Int(places[next].file))), .duplicate(member: names.text(next)))
        }
        return try indexByDirectory(order, root, files)
    }

    private func labelledIndex(_ root: String, _ files: NameTable) throws(ImageDataError) -> SampleIndex {
        if let image = labels.firstIndex(of: -1) {
            throw .archive(
                path: Directories.child(root, files.text(Int(places[image].file))),
                .missingLabel(member: names.text(image)))
        }
        let order = sortedOrder()
        return SampleIndex(
            names: names.reordered(order), places: order.map { places[$0] }, files: files,
            labels: order.map { labels[$0] })
    }

    /// Classes as `FolderListing` has them: files beside the directories of classes are none.
    private func indexByDirectory(
        _ order: [Int], _ root: String, _ files: NameTable
    ) throws(ImageDataError) -> SampleIndex {
        var classes = NameTable()
        var classOfImage: [Int32] = []
        let inClasses = order.filter { !SamplePath.top(names[$0]).isEmpty }
        for image in inClasses {
            let name = SamplePath.top(names[image])
            if classes.count == 0 || classes[classes.count - 1] != name { classes.append(name) }
            classOfImage.append(Int32(classes.count - 1))
        }
        guard !inClasses.isEmpty else {
            return SampleIndex(
                names: names.reordered(order), places: order.map { places[$0] }, files: files, labels: nil)
        }
        let empty = (0..<directories.count).map { directories[$0] }.filter {
            SamplePath.top($0).isEmpty && classes.index(of: $0) == nil
        }
        if let first = empty.first {
            throw .emptyClasses(path: root, count: empty.count, first: String(decoding: first, as: UTF8.self))
        }
        return SampleIndex(
            names: names.reordered(inClasses), places: inClasses.map { places[$0] }, files: files,
            labels: classOfImage, classes: classes)
    }

    /// By name; the same name in two shards is two images, in the order of the shards.
    private func sortedOrder() -> [Int] {
        (0..<names.count).sorted { a, b in
            SampleIndex.precedes(names[a], names[b])
                || names[a] == names[b] && (places[a].file, places[a].offset) < (places[b].file, places[b].offset)
        }
    }

    /// `train/CLASS/x.jpg` is `CLASS/x.jpg` where everything is in `train`: what an archive of that directory holds. Nor is
    /// the one directory of all images a class.
    private mutating func removeCommonDirectories() {
        while names.count > 0 {
            let top = Array(SamplePath.top(names[0]))
            let inside = top.count + 1
            let isCommon =
                (0..<names.count).allSatisfy { SamplePath.top(names[$0]) == top[...] }
                && (0..<directories.count).allSatisfy {
                    directories[$0] == top[...] || SamplePath.top(directories[$0]) == top[...]
                }
            guard !top.isEmpty, isCommon else { return }
            names = names.mapped { $0.dropFirst(inside) }
            let below = (0..<directories.count).map { directories[$0] }.filter { SamplePath.top($0) == top[...] }
            directories = NameTable()
            for path in below { directories.append(path.dropFirst(inside)) }
        }
    }
}
