package import ImageCodecs

/// A PNG file of pixels without a pattern, red, green and blue.
package func samplePNG(_ size: ImageSize, salt: Int = 1) -> [UInt8] {
    pngBytes(width: size.width, height: size.height, patternBytes(3 * size.pixels, salt: salt))
}
