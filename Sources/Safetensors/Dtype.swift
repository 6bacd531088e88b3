/// The element types of the safetensors format, as of its version 0.6; a file may hold others of later versions.
package enum Dtype: String, Sendable, CaseIterable {
    case f64 = "F64"
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case i64 = "I64"
    case i32 = "I32"
    case i16 = "I16"
    case i8 = "I8"
    case u64 = "U64"
    case u32 = "U32"
    case u16 = "U16"
    case u8 = "U8"
    case bool = "BOOL"
    case c64 = "C64"
    case f8e4m3 = "F8_E4M3"
    case f8e5m2 = "F8_E5M2"
    case f8e8m0 = "F8_E8M0"
    case f6e2m3 = "F6_E2M3"
    case f6e3m2 = "F6_E3M2"
    case f4 = "F4"

    /// Bits of one element. Elements of less than a byte lie packed.
    package var bits: Int {
        switch self {
        case .f64, .i64, .u64, .c64: 64
        case .f32, .i32, .u32: 32
        case .f16, .bf16, .i16, .u16: 16
        case .i8, .u8, .bool, .f8e4m3, .f8e5m2, .f8e8m0: 8
        case .f6e2m3, .f6e3m2: 6
        case .f4: 4
        }
    }

    /// How one little-endian element becomes a `Float`, rounded to nearest; nil where that is not supported, which it is
    /// only for elements of whole bytes.
    var conversion: ((_ bytes: RawSpan, _ position: Int) -> Float)? {
        switch self {
        case .f64: { Float(Double(bitPattern: UInt64(littleEndian: load($0, $1)))) }
        case .f32: { Float(bitPattern: UInt32(littleEndian: load($0, $1))) }
        case .f16: { Float(Float16(bitPattern: UInt16(littleEndian: load($0, $1)))) }
        case .bf16: { Float(bitPattern: UInt32(UInt16(littleEndian: load($0, $1))) << 16) }
        case .i64: { Float(Int64(littleEndian: load($0, $1))) }
        case .i32: { Float(Int32(littleEndian: load($0, $1))) }
        case .i16: { Float(Int16(littleEndian: load($0, $1))) }
        case .i8: { Float(load($0, $1) as Int8) }
        case .u64: { Float(UInt64(littleEndian: load($0, $1))) }
        case .u32: { Float(UInt32(littleEndian: load($0, $1))) }
        case .u16: { Float(UInt16(littleEndian: load($0, $1))) }
        case .u8: { Float(load($0, $1) as UInt8) }
        case .bool: { load($0, $1) as UInt8 == 0 ? 0 : 1 }
        case .c64, .f8e4m3, .f8e5m2, .f8e8m0, .f6e2m3, .f6e3m2, .f4: nil
        }
    }
}

private func load<Value: BitwiseCopyable>(_ bytes: RawSpan, _ position: Int) -> Value {
    // Every bit pattern is a value of the integers this is called with, and the span checks its bounds.
    unsafe bytes.unsafeLoadUnaligned(fromByteOffset: position, as: Value.self)
}
