import ImageArrays
import ImageCodecs
import ImageSources
import Testing
import TestSupport

@Suite("IDX files")
struct IDXFileTests {
    private func open(_ images: [UInt8], _ labels: [UInt8] = SampleIDX.labels) throws -> ArrayImages {
        let directory = try TemporaryDirectory()
        // The names say gzip whatever the content is: only the content counts.
        return try IDXFile.open(
            name: "test", images: directory.write("images.gz", images), labels: directory.write("labels.gz", labels))
    }

    private func message(_ images: [UInt8], _ labels: [UInt8] = SampleIDX.labels) throws -> String {
        do {
            _ = try open(images, labels)
        } catch let error as ImageDataError {
            #expect(!error.description.contains("\n"))
            return error.description
        }
        Issue.record("the damaged file was accepted")
        return ""
    }

    @Test("pixels and labels are those of the file, compressed or not", arguments: [false, true])
    func roundTrip(compressed: Bool) throws {
        let source =
            compressed ? try open(gzipBytes(SampleIDX.images), gzipBytes(SampleIDX.labels)) : try open(SampleIDX.images)
        #expect(source.count == 3 && source.channels == 1 && source.classCount == 5)
        #expect(source.uniformSize == ImageSize(height: 2, width: 4))
        #expect((0..<3).map(source.label) == [4, 0, 2])
        for index in 0..<3 {
            #expect(try pixels(source, index) == Array(patternBytes(24)[8 * index..<8 * index + 8]))
        }
    }

    @Test("the identity follows pixels, labels and shape, not how the files are stored")
    func identity() throws {
        let reference = try open(SampleIDX.images)
        #expect(reference.identity.count == 3)
        let compressed = try open(gzipBytes(SampleIDX.images))
        #expect(compressed.identity == reference.identity)
        #expect(compressed.earlierFingerprint == reference.earlierFingerprint)
        var pixels = SampleIDX.images
        pixels[20] ^= 1
        let others = [
            try open(pixels), try open(SampleIDX.images, idxBytes([0x801, 3], [4, 2, 0])),
            try open(idxBytes([0x803, 3, 4, 2], patternBytes(24))),
        ]
        for other in others {
            #expect(other.identity != reference.identity)
            #expect(other.earlierFingerprint != reference.earlierFingerprint)
        }
    }

    @Test("the identity of many images looks at some of them, at every label, and at how many there are")
    func sampledIdentity() throws {
        let count = 640
        func identity(_ pixels: [UInt8], labels: [UInt8]) throws -> DataIdentity {
            let images = idxBytes([0x803, UInt32(labels.count), 1, 4], pixels)
            return try open(images, idxBytes([0x801, UInt32(labels.count)], labels)).identity
        }
        let pixels = patternBytes(4 * count)
        let labels = [UInt8](repeating: 3, count: count)
        let reference = try identity(pixels, labels: labels)
        var noticed = 0
        for index in 0..<count {
            var changed = pixels
            changed[4 * index + 2] ^= 1
            if try identity(changed, labels: labels) != reference { noticed += 1 }
        }
        #expect(noticed == 64)
        for index in [1, 5, 638] {
            var changed = labels
            changed[index] = 2
            #expect(try identity(pixels, labels: changed) != reference)
        }
        #expect(try identity(Array(pixels.dropLast(4)), labels: Array(labels.dropLast())) != reference)
    }

    @Test("a file that ends too early is refused, at every length")
    func truncated() throws {
        for length in 0..<SampleIDX.images.count {
            // Cut within the elements, the file is either smaller than what it declares or ends while it is read.
            let cut = try message(Array(SampleIDX.images[..<length]))
            #expect(cut.contains("truncated") || (length >= 16 && cut.contains("which the file cannot hold")))
        }
        #expect(try message(Array(SampleIDX.images.dropLast())).contains("images.gz: ends after 39 of 40 bytes"))
    }

    @Test("damaged gzip data is refused")
    func damagedGzip() throws {
        let whole = gzipBytes(SampleIDX.images)
        for length in 20..<whole.count { #expect(try message(Array(whole[..<length])).contains("images.gz: ")) }
        var flipped = whole
        flipped[35] ^= 0x10
        #expect(try message(flipped).contains("damaged gzip data"))
    }

    @Test("bytes after the declared ones are refused")
    func trailing() throws {
        #expect(try message(SampleIDX.images + [0]).contains("goes on after the 40 bytes"))
        #expect(try message(gzipBytes(SampleIDX.images + [0])).contains("goes on after the 40 bytes"))
        #expect(
            try message(gzipBytes(SampleIDX.images) + [0]).contains("images.gz: goes on after the end of its gzip data")
        )
        #expect(try message(gzipBytes(SampleIDX.images) + gzipBytes([7])).contains("goes on after the 40 bytes"))
    }

    @Test("data compressed in parts are one file")
    func parts() throws {
        let parts = [SampleIDX.images[..<7], SampleIDX.images[7..<30], SampleIDX.images[30...]].flatMap {
            gzipBytes(Array($0))
        }
        #expect(try open(parts).identity == open(SampleIDX.images).identity)
        #expect(try message(gzipBytes(Array(SampleIDX.images[..<7])) + SampleIDX.images[7...]).contains("gzip"))
    }

    @Test("another magic number or element type is refused")
    func wrongMagic() throws {
        let exchanged = "check that images and labels are not exchanged"
        let labels = try message(SampleIDX.labels)
        #expect(labels.contains("images.gz: holds 1 dimension of bytes; images have 3 or 4 dimensions of bytes"))
        #expect(labels.contains(exchanged))
        let images = try message(SampleIDX.images, SampleIDX.images)
        #expect(images.contains("labels.gz: holds 3 dimensions of bytes; labels have 1 dimension of bytes"))
        #expect(images.contains(exchanged))
        for (magic, held) in [
            (0xC03, "3 dimensions of 32-bit integers"), (0xB02, "2 dimensions of 16-bit integers"),
            (0x805, "5 dimensions of bytes"), (0x903, "3 dimensions of signed bytes"),
            (0xC01, "1 dimension of 32-bit integers"), (0xE02, "2 dimensions of 64-bit floats"),
        ] as [(UInt32, String)] {
            let text = try message(idxBytes([magic, 3, 2, 4], patternBytes(24)))
            #expect(text.contains("holds \(held); images have 3 or 4 dimensions of"), "\(text)")
            #expect(!text.contains(exchanged))
        }
        for bytes in [Array("PK\u{3}\u{4} and so on".utf8), idxBytes([0x0703, 3, 2, 4], patternBytes(24))] {
            #expect(try message(bytes).contains("is no IDX file"))
        }
        #expect(try message(Array("PK\u{3}\u{4} and so on".utf8)).contains("0x504B0304"))
    }

    @Test("no images are no data set", arguments: [false, true])
    func noImages(compressed: Bool) throws {
        let none = idxBytes([0x803, 0, 28, 28], [])
        #expect(try message(compressed ? gzipBytes(none) : none).contains("images.gz: holds no images"))
        #expect(try message(SampleIDX.images, idxBytes([0x801, 0], [])).contains("holds 0 labels for the 3 images"))
    }

    @Test(
        "sizes that the file cannot hold are refused before memory is asked for",
        arguments: [
            [UInt32.max, .max, .max], [.max, 1, 1], [1, .max, 1], [0x8000_0000, 2, 0x8000_0000], [3, 0, 4], [3, 2, 0],
            [1 << 20, 1 << 20, 1 << 20],
        ])
    func hostileDimensions(dimensions: [UInt32]) throws {
        let bytes = idxBytes([0x803] + dimensions, patternBytes(24))
        #expect(try message(bytes).contains("which the file cannot hold"))
        #expect(try message(gzipBytes(bytes)).contains("which the file cannot hold"))
    }

    @Test("one label per image is required")
    func labelMismatch() throws {
        let message = try message(SampleIDX.images, idxBytes([0x801, 2], [1, 2]))
        #expect(message.contains("labels.gz: holds 2 labels for the 3 images of") && message.contains("images.gz"))
    }

    @Test("a missing file is named")
    func missing() throws {
        #expect {
            try IDXFile.open(name: "test", images: "/nonexistent/images", labels: "/nonexistent/labels")
        } throws: { "\($0)".hasPrefix("/nonexistent/images: cannot be read: no such file or directory") }
    }
}
