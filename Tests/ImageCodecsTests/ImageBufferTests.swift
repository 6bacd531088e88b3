import ImageCodecs
import Tensors
import Testing

@Suite("Memory of images")
struct ImageBufferTests {
    @Test("a buffer is one memory for all images, once it has held the largest")
    func buffer() {
        let buffer = ImageBuffer()
        let small = buffer.bytes(5).storage
        let large = buffer.bytes(50).storage
        #expect(small !== large)
        for count in [50, 1, 0, 49, 50] {
            #expect(buffer.bytes(count).storage === large && buffer.bytes(count).columns == count)
        }
    }
}
