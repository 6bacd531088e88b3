extension SampleIndex {
    /// Parts of a file closer together than this are read in one go: seeking costs more than reading what lies between.
    private static var gap: UInt64 { 64 << 10 }

    /// Puts images in the order in which they lie in files.
    ///
    /// A heap sort, which takes no memory.
    func sortByPlace(_ images: inout [Int]) {
        func sink(_ start: Int, below end: Int) {
            var parent = start
            while 2 * parent + 1 < end {
                var child = 2 * parent + 1
                if child + 1 < end && lies(images[child], before: images[child + 1]) { child += 1 }
                guard lies(images[parent], before: images[child]) else { return }
                images.swapAt(parent, child)
                parent = child
            }
        }
        for start in stride(from: images.count / 2 - 1, through: 0, by: -1) { sink(start, below: images.count) }
        for end in stride(from: images.count - 1, to: 0, by: -1) {
            images.swapAt(0, end)
            sink(0, below: end)
        }
    }

    private func lies(_ a: Int, before b: Int) -> Bool {
        guard let places else { return a < b }
        return (places[a].file, places[a].offset) < (places[b].file, places[b].offset)
    }

    /// The parts of files that hold these images, in their order: neighbours in a file are one part.
    func forEachWindow(of images: [Int], _ body: (_ file: Int, _ offset: UInt64, _ count: UInt64) -> Void) {
        guard let places, let first = images.first else { return }
        var (file, begin) = (places[first].file, places[first].offset)
        var end = begin
        for image in images {
            let place = places[image]
            if place.file != file || place.offset < begin || place.offset > end + Self.gap {
                body(Int(file), begin, end - begin)
                (file, begin, end) = (place.file, place.offset, place.offset)
            }
            end = max(end, place.offset + UInt64(place.size))
        }
        body(Int(file), begin, end - begin)
    }
}
