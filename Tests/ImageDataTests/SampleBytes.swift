/// The bytes of an IDX file: magic number and dimensions, big-endian, then the elements.
func idxBytes(_ header: [UInt32], _ elements: [UInt8]) -> [UInt8] {
    header.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } } + elements
}

/// Bytes without a visible pattern, the same at each call.
func patternBytes(_ count: Int, salt: Int = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761 &+ salt &* 97) >> 7) }
}
