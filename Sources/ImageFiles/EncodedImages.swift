internal import Glibc
internal import Host
package import ImageCodecs
package import ImageSources
package import Tensors

/// JPEG and PNG images, each read and decoded when it is asked for: files of a directory, or parts of files that hold many.
package struct EncodedImages: ImageSource {
    package let name: String
    package private(set) var index: SampleIndex
    package private(set) var identity: DataIdentity
    package let form: String
    package let notes: [String]
    package private(set) var decoding = Decoding()
    private var content: Content

    private enum Content {
        case files(OpenDirectory)
        case shards(ShardFiles, [SampleIndex.Place])
    }

    /// - Parameters:
    ///   - name: what logs call the data set.
    ///   - root: the directory that names and files of `index` are in.
    package init(
        name: String, root: String, index: SampleIndex, form: String = "images", notes: [String] = []
    ) throws(ImageDataError) {
        guard index.count > 0 else { throw .noImages(path: root) }
        self.name = name
        self.index = index
        self.form = form
        self.notes = notes
        content =
            if let places = index.places {
                .shards(try ShardFiles(root: root, files: index.files, places: places), places)
            } else {
                .files(try OpenDirectory(root))
            }
        identity = index.identity
    }

    /// The files that hold many images; nil where each has its own.
    package var shards: ShardFiles? {
        guard case .shards(let shards, _) = content else { return nil }
        return shards
    }

    /// The same images from files of the same names in another directory.
    package func moved(to root: String) throws(ImageDataError) -> EncodedImages {
        try EncodedImages(name: name, root: root, index: index, form: form, notes: notes).decoded(decoding)
    }

    /// The same images, decoded in another way.
    package func decoded(_ decoding: Decoding) -> EncodedImages {
        var images = self
        images.decoding = decoding
        return images
    }

    /// Those of some classes alone, of a data set whose classes have names.
    package func taking(_ classes: Set<String>) throws(ImageDataError) -> EncodedImages {
        var images = self
        images.index = try index.taking(classes, of: name)
        guard images.index.count > 0 else { throw .noImages(path: name) }
        images.identity = images.index.identity
        if case .shards(let shards, _) = content { images.content = .shards(shards, images.index.places ?? []) }
        return images
    }

    /// The last directory of a path that is no split's.
    package static func name(of path: String) -> String {
        let full = Directories.resolved(path) ?? path
        let splits = ImageDataset.Split.allCases.flatMap { FolderLayout.names(of: $0) }
        return full.split(separator: "/").last { !splits.contains(String($0)) }.map(String.init) ?? full
    }

    package var count: Int { index.count }
    package var channels: Int { 3 }
    package var classCount: Int? { index.classCount }
    package var uniformSize: ImageSize? { nil }

    package func label(at index: Int) -> Int {
        guard let labels = self.index.labels else { preconditionFailure("there are no labels") }
        return Int(labels[index])
    }

    package func decode(
        at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
    ) throws(ImageDataError) -> PixelView {
        try decode(at: index, request: { RequestedPart(choose($0)) }, into: buffer).pixels
    }

    package func decode(
        at index: Int, request choose: (ImageSize) -> RequestedPart, into buffer: ImageBuffer
    ) throws(ImageDataError) -> DecodedPart {
        let bytes = try encoded(at: index, into: buffer)
        do throws(ImageCodecError) {
            return try bytes.withElements { (span) throws(ImageCodecError) in
                try buffer.decoder.decode(span, decoding, request: choose, into: buffer)
            }
        } catch {
            throw .badImage(path: path(of: index), reason: error)
        }
    }

    /// The bytes of an image as they are kept, in the buffer's room for them.
    package func encoded(at index: Int, into buffer: ImageBuffer) throws(ImageDataError) -> MatrixView<UInt8> {
        let bytes =
            switch content {
            case .files(let root): try root.content(of: self.index.names[index], into: buffer)
            case .shards(let shards, let places): try shards.content(at: places[index], into: buffer)
            }
        if let checksums = self.index.checksums {
            var checksum = Checksum()
            bytes.withElements { unsafe checksum.add($0.bytes) }
            guard checksum.value == checksums[index] else {
                throw .badImage(path: path(of: index), reason: .damaged("its checksum is another"))
            }
        }
        return bytes
    }

    /// Where an image is, for people: its file, or the file that holds it and its name in there.
    package func path(of index: Int) -> String {
        switch content {
        case .files(let root): root.path(of: self.index.names[index])
        case .shards(let shards, let places):
            "\(shards.path(Int(places[index].file))): \(self.index.names.text(index).printable(limit: 200))"
        }
    }

    package func willRead(_ images: inout [Int]) {
        guard case .shards(let shards, _) = content else { return }
        index.sortByPlace(&images)
        index.forEachWindow(of: images) { shards.willRead(file: $0, offset: $1, count: $2) }
    }
}
