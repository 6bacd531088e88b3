/// What tells the images of one data set from those of another, at a cost that does not grow with their pixels.
///
/// Where the data set lies and how its files are packed or compressed is not part of it.
package struct DataIdentity: Hashable, Codable, Sendable {
    package let count: Int
    /// CRC-32 of what the source knows of its images without reading them all.
    package let checksum: UInt32

    package init(count: Int, _ checksum: UInt32) {
        self.count = count
        self.checksum = checksum
    }
}

extension DataIdentity: CustomStringConvertible {
    package var description: String { "\(count) images, checksum \(String(checksum, radix: 16))" }
}
