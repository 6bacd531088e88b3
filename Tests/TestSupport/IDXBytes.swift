/// The bytes of an IDX file: magic number and dimensions, big-endian, then the elements.
package func idxBytes(_ header: [UInt32], _ elements: [UInt8]) -> [UInt8] {
    header.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } } + elements
}

/// A small data set: 3 images of 2 × 4 bytes, and their labels.
package enum SampleIDX {
    package static let images = idxBytes([0x803, 3, 2, 4], patternBytes(24))
    package static let labels = idxBytes([0x801, 3], [4, 0, 2])
}
