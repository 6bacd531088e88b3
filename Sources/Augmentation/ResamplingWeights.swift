import Glibc

/// What weights of images of one kind of pixels are kept as.
protocol ResamplingWeight: Numeric {
    static func rounded(_ weight: Double) -> Self
}

/// Of bytes: in fixed point, with 22 fractional bits, rounded half away from zero. Source: Pillow
/// `src/libImaging/Resample.c`, `normalize_coeffs_8bpc`.
extension Int32: ResamplingWeight {
    static var fractionBits: Int32 { 22 }

    static func rounded(_ weight: Double) -> Int32 {
        let scaled = weight * Double(1 << fractionBits)
        return Int32(weight < 0 ? scaled - 0.5 : scaled + 0.5)
    }
}

extension Float: ResamplingWeight {
    static func rounded(_ weight: Double) -> Float { Float(weight) }
}

/// Bicubic weights of one axis: which input elements make each output element, and in what parts.
///
/// The kernel is Keys' with a = −0.5, widened when the axis shrinks. Source: Pillow `src/libImaging/Resample.c`,
/// `precompute_coeffs`.
struct ResamplingWeights<Weight: ResamplingWeight> {
    /// Weights reserved per output element; `weights[tapStride · output + k]`.
    private(set) var tapStride = 0
    private(set) var weights: [Weight] = []
    /// The first input element of each output element.
    private(set) var first: [Int32] = []
    /// The number of input elements of each output element.
    private(set) var taps: [Int32] = []
    private var exact: [Double] = []
    private var inputCount = 0
    private var partStart = 0.0
    private var partLength = 0.0
    private var outputCount = 0

    /// Computes the weights from a part of `input` elements to `output` elements; allocates only when the axis was never this
    /// large.
    ///
    /// - Parameters:
    ///   - start: where the part begins; what is around it has influence as far as the kernel reaches.
    ///   - length: of the part, above 0.
    mutating func prepare(input: Int, from start: Double, length: Double, output: Int) {
        precondition(input > 0 && length > 0 && output > 0)
        if input == inputCount && start == partStart && length == partLength && output == outputCount { return }
        (inputCount, partStart, partLength, outputCount) = (input, start, length, output)
        let scale = length / Double(output)
        let widening = max(scale, 1)
        let support = 2 * widening
        tapStride = Int(support.rounded(.up)) * 2 + 1
        grow(output)
        let narrowing = 1 / widening
        for index in 0..<output {
            let center = start + (Double(index) + 0.5) * scale
            let low = max(Int(center - support + 0.5), 0)
            let high = min(Int(center + support + 0.5), input)
            var sum = 0.0
            for tap in 0..<high - low {
                let weight = Self.kernel((Double(tap + low) - center + 0.5) * narrowing)
                exact[tap] = weight
                sum += weight
            }
            for tap in 0..<high - low {
                let weight = sum != 0 ? exact[tap] / sum : exact[tap]
                weights[index * tapStride + tap] = Weight.rounded(weight)
            }
            first[index] = Int32(low)
            taps[index] = Int32(high - low)
        }
    }

    private mutating func grow(_ output: Int) {
        if first.count < output {
            first = [Int32](repeating: 0, count: output)
            taps = first
        }
        if weights.count < output * tapStride { weights = [Weight](repeating: 0, count: output * tapStride) }
        if exact.count < tapStride { exact = [Double](repeating: 0, count: tapStride) }
    }

    /// R. Keys, "Cubic convolution interpolation for digital image processing" (1981), with a = −0.5.
    private static func kernel(_ offset: Double) -> Double {
        let x = abs(offset)
        // The order of operations is Pillow's: another one rounds differently.
        if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
        if x < 2 { return (((x - 5) * x + 8) * x - 4) * -0.5 }
        return 0
    }
}
