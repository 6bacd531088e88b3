import Glibc
internal import ImageCodecs

/// From which place of an image each pixel of a new one is taken: x' = a·x + b·y + c and y' = d·x + e·y + f.
struct AffineMap: Equatable {
    var a = 1.0
    var b = 0.0
    var c = 0.0
    var d = 0.0
    var e = 1.0
    var f = 0.0

    /// Counter-clockwise about the middle; nil where nothing turns. Source: Pillow `Image.rotate`.
    static func rotation(degrees: Double, in size: ImageSize) -> AffineMap? {
        // Python's remainder is that of a circle.
        let angle = degrees < 0 ? fmod(degrees, 360) + 360 : fmod(degrees, 360)
        if angle == 0 || angle == 360 { return nil }
        let radians = -(angle * (.pi / 180))
        var map = AffineMap()
        (map.a, map.b) = (rounded(cos(radians)), rounded(sin(radians)))
        (map.d, map.e) = (rounded(-sin(radians)), rounded(cos(radians)))
        let (x, y) = (Double(size.width) / 2, Double(size.height) / 2)
        map.c = map.a * -x + map.b * -y + x
        map.f = map.d * -x + map.e * -y + y
        return map
    }

    /// Python's `round(value, 15)` of a number that is at most 1.
    private static func rounded(_ value: Double) -> Double {
        let product = value * 1e15
        // What the product was rounded by decides where it lies half way between two whole numbers.
        let rest = (-product).addingProduct(value, 1e15)
        var whole = product.rounded(.toNearestOrEven)
        let distance = (product - whole) + rest
        if distance > 0.5 { whole += 1 } else if distance < -0.5 { whole -= 1 }
        return whole / 1e15
    }
}
