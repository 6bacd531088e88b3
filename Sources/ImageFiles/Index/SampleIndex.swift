internal import Host
package import ImageSources

/// What is known of every image of a data set without reading one: where it is, and its label.
package struct SampleIndex: Hashable, Sendable {
    /// Where the bytes of an image are within a file that has many.
    package struct Place: Hashable, Sendable {
        /// Number of the file.
        package let file: UInt32
        package let size: UInt32
        package let offset: UInt64

        package init(file: UInt32, size: UInt32, offset: UInt64) {
            self.file = file
            self.size = size
            self.offset = offset
        }

        /// Where the bytes end, in a file that can be that long.
        var end: UInt64? {
            let (end, overflows) = offset.addingReportingOverflow(UInt64(size))
            return overflows || end > UInt64(Int64.max) ? nil : end
        }
    }

    /// More labels than any data set has; whoever writes larger ones means something else by them.
    package static var mostClasses: Int { 1 << 20 }

    /// One for each image, in the order of the data set: the path of its file, or of its member of an archive.
    package let names: NameTable
    /// One for each image; nil where each has a file of its own.
    package let places: [Place]?
    /// The CRC-32 of the bytes of each image; nil where they are not known.
    package let checksums: [UInt32]?
    /// Files that have many images; none where each has its own.
    package let files: NameTable
    /// One for each image; nil where there are none.
    package let labels: [Int32]?
    /// Names of the labels, where they have some.
    package let classes: NameTable
    /// One more than the largest label, or the number of classes.
    package let classCount: Int?

    package init(
        names: NameTable, places: [Place]? = nil, checksums: [UInt32]? = nil, files: NameTable = NameTable(),
        labels: [Int32]?, classes: NameTable = NameTable()
    ) {
        precondition(places.map { $0.count == names.count } ?? true && labels.map { $0.count == names.count } ?? true)
        precondition(checksums.map { $0.count == names.count } ?? true)
        self.names = names
        self.places = places
        self.checksums = checksums
        self.files = files
        self.labels = labels
        self.classes = classes
        classCount = labels.map { max(classes.count, Int($0.max() ?? -1) + 1) }
    }

    package var count: Int { names.count }

    /// What tells the samples from others wherever they are kept: their names without what follows the last dot, and
    /// their labels.
    package var identity: DataIdentity {
        var checksum = Checksum()
        let bytes = names.bytes.span
        // No name has it, so that where one ends decides.
        let end: [UInt8] = [0]
        for index in 0..<count {
            unsafe checksum.add(bytes.extracting(Self.key(names[index]).indices).bytes)
            unsafe checksum.add(end.span.bytes)
        }
        if let labels { unsafe checksum.add(labels.span.bytes) }
        return DataIdentity(count: count, checksum.value)
    }

    /// The order of the samples of every data set whose images have names, wherever they are kept: first the directory of the
    /// class, then the directory of the file, then its name, all by their bytes. It is torchvision's for folders of classes.
    package static func precedes(_ first: ArraySlice<UInt8>, _ second: ArraySlice<UInt8>) -> Bool {
        let directories = (SamplePath.directory(first), SamplePath.directory(second))
        if directories.0.elementsEqual(directories.1) {
            return SamplePath.file(first).lexicographicallyPrecedes(SamplePath.file(second))
        }
        let classes = (SamplePath.top(first), SamplePath.top(second))
        if !classes.0.elementsEqual(classes.1) { return classes.0.lexicographicallyPrecedes(classes.1) }
        return directories.0.lexicographicallyPrecedes(directories.1)
    }

    /// The path without its extension.
    package static func key(_ name: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), !name[dot...].contains(UInt8(ascii: "/")) else {
            return name
        }
        return name[..<dot]
    }
}
