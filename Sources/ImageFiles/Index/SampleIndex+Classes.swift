package import ImageSources

extension SampleIndex {
    /// The images of some classes alone; the classes are numbered anew, in their order.
    ///
    /// - Parameters:
    ///   - wanted: names of classes.
    ///   - path: of the data set, for an error.
    package func taking(_ wanted: Set<String>, of path: String) throws(ImageDataError) -> SampleIndex {
        guard let labels, classes.count > 0 else { throw .noClassNames(path: path) }
        var numbers = [Int32?](repeating: nil, count: classCount ?? 0)
        var taken = NameTable()
        for number in 0..<classes.count where wanted.contains(classes.text(number)) {
            numbers[number] = Int32(taken.count)
            taken.append(classes[number])
        }
        let missing = wanted.filter { taken.index(of: $0.utf8) == nil }.sorted()
        if let first = missing.first { throw .missingClasses(path: path, count: missing.count, first: first) }
        let images = (0..<count).filter { numbers[Int(labels[$0])] != nil }
        return SampleIndex(
            names: names.reordered(images), places: places.map { places in images.map { places[$0] } },
            checksums: checksums.map { checksums in images.map { checksums[$0] } }, files: files,
            labels: images.compactMap { numbers[Int(labels[$0])] }, classes: taken)
    }
}
