/// The bytes of an IDX file: magic number and dimensions, big-endian, then the elements.
func idxBytes(_ header: [UInt32], _ elements: [UInt8]) -> [UInt8] {
    header.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } } + elements
}
