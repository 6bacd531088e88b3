import Host
import Testing

@Suite("CRC-32")
struct ChecksumTests {
    @Test("the check value of the standard, in one piece and in several")
    func check() {
        let text = Array("123456789".utf8)
        for pieces in [[0..<9], [0..<1, 1..<1, 1..<8, 8..<9]] {
            var checksum = Checksum()
            for piece in pieces { unsafe checksum.add(Array(text[piece]).span.bytes) }
            #expect(checksum.value == 0xCBF4_3926)
        }
        #expect(Checksum().value == 0)
    }
}
