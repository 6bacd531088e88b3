/// The bytes of a .npy file, put together by hand so that damaged ones can be made.
package func numPyBytes(
    _ type: String, _ shape: [Int], _ elements: [UInt8], version: UInt8 = 1, fortran: String = "False"
) -> [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    return numPyBytes(
        header: "{'descr': \(type), 'fortran_order': \(fortran), 'shape': (\(sizes)), }\n", elements, version: version)
}

package func numPyBytes(header: String, _ elements: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let length = header.utf8.count
    let words = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + words + Array(header.utf8) + elements
}
