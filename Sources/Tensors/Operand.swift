internal import CVectorKernels
import Glibc

/// The type of what matrix products read; their sums are always fp32.
package enum ElementType: String, Codable, CaseIterable, Sendable {
    case float32 = "fp32"
    /// The upper half of a float: 8 bits of exponent, 7 of fraction.
    case bfloat16 = "bf16"

    package var byteCount: Int { self == .float32 ? 4 : 2 }
    /// What the kernels call it, a `umae_type`.
    package var kernelCode: UInt32 { self == .float32 ? 0 : 1 }
}

/// A view of `rows` × `columns` elements of either type, row-major, rows `stride` elements apart: what products read,
/// and the activations that are kept for them. An fp32 operand can be a view of a `Matrix`.
@safe
package struct Operand: @unchecked Sendable {
    package let element: ElementType
    package let rows: Int
    package let columns: Int
    package let stride: Int
    /// Keeps the memory alive.
    package let owner: AnyObject
    private let base: UnsafeMutableRawPointer

    private init(
        element: ElementType, owner: AnyObject, base: UnsafeMutableRawPointer, rows: Int, columns: Int, stride: Int
    ) {
        self.element = element
        self.owner = owner
        unsafe self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride
    }

    /// The same memory.
    package init(_ matrix: Matrix) {
        unsafe self.init(
            element: .float32, owner: matrix.storage, base: UnsafeMutableRawPointer(matrix.pointer),
            rows: matrix.rows, columns: matrix.columns, stride: matrix.stride)
    }

    /// The same memory, of bfloat16 bits.
    package init(bits: MatrixView<UInt16>) {
        unsafe self.init(
            element: .bfloat16, owner: bits.storage, base: UnsafeMutableRawPointer(bits.pointer), rows: bits.rows,
            columns: bits.columns, stride: bits.stride)
    }

    /// The first element, for a C call. Valid while an operand of this memory is alive: pass it on at once.
    package var pointer: UnsafeMutableRawPointer { unsafe base }

    /// Whether no element is an infinity or not a number.
    package var isFinite: Bool {
        (0..<rows).allSatisfy { row in
            (0..<columns).allSatisfy { column in
                let place = unsafe UnsafeRawPointer(address(row: row, column: column))
                switch element {
                case .float32: return unsafe place.load(as: Float.self).isFinite
                case .bfloat16: return unsafe place.load(as: UInt16.self) & 0x7F80 != 0x7F80
                }
            }
        }
    }

    /// An element, for a C call, as `pointer`.
    package func address(row: Int, column: Int) -> UnsafeMutableRawPointer {
        precondition(row >= 0 && row <= rows && column >= 0 && column <= columns)
        return unsafe base + (row * stride + column) * element.byteCount
    }

    package func rows(_ range: Range<Int>) -> Operand {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows)
        return unsafe Operand(
            element: element, owner: owner, base: base + range.lowerBound * stride * element.byteCount,
            rows: range.count, columns: columns, stride: stride)
    }

    package func columns(_ range: Range<Int>) -> Operand {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns)
        return unsafe Operand(
            element: element, owner: owner, base: base + range.lowerBound * element.byteCount, rows: rows,
            columns: range.count, stride: stride)
    }

    /// Sets all elements to zero.
    package func clear() {
        for row in 0..<rows {
            unsafe memset(base + row * stride * element.byteCount, 0, columns * element.byteCount)
        }
    }

    /// Copies elements of the same type and shape.
    package func copy(from other: Operand) {
        precondition(other.element == element && other.rows == rows && other.columns == columns)
        let bytes = columns * element.byteCount
        for row in 0..<rows {
            unsafe memcpy(
                base + row * stride * element.byteCount, other.base + row * other.stride * element.byteCount, bytes)
        }
    }

    /// Copies row `sources[r]` of `other`, which has the same type and width, to each row r; `sources` is [1, rows].
    package func gather(from other: Operand, _ sources: IndexMatrix) {
        precondition(other.element == element && other.columns == columns && sources.count == rows)
        let bytes = columns * element.byteCount
        let (from, step) = unsafe (other.base, other.stride * element.byteCount)
        let indices = unsafe sources.pointer
        for row in 0..<rows {
            let source = unsafe Int(indices[row])
            precondition(source >= 0 && source < other.rows)
            unsafe memcpy(base + row * stride * element.byteCount, from + source * step, bytes)
        }
    }

    /// Rounds `source`, of the same shape, to this type.
    package func convert(from source: Matrix) {
        precondition(source.rows == rows && source.columns == columns)
        for row in 0..<rows {
            unsafe umae_convert(
                umae_type(element.kernelCode), source.pointer + row * source.stride,
                base + row * stride * element.byteCount, columns)
        }
    }

    /// Writes the elements, as floats, to `target` of the same shape.
    package func widen(into target: Matrix) {
        precondition(target.rows == rows && target.columns == columns)
        for row in 0..<rows {
            unsafe umae_widen(
                umae_type(element.kernelCode), base + row * stride * element.byteCount,
                target.pointer + row * target.stride, columns)
        }
    }

    /// The elements as floats.
    package var array: [Float] {
        var values: [Float] = []
        values.reserveCapacity(rows * columns)
        for row in 0..<rows {
            for column in 0..<columns {
                let address = unsafe base + (row * stride + column) * element.byteCount
                if element == .float32 {
                    unsafe values.append(address.loadUnaligned(as: Float.self))
                } else {
                    unsafe values.append(Float(bitPattern: UInt32(address.loadUnaligned(as: UInt16.self)) << 16))
                }
            }
        }
        return values
    }
}

extension MemoryPlan {
    /// Rows of bfloat16 are padded to pairs, which products read at once.
    package func operand(_ purpose: Purpose, _ name: String, rows: Int, columns: Int, _ element: ElementType)
        -> Operand
    {
        guard element == .bfloat16 else { return Operand(matrix(purpose, name, rows: rows, columns: columns)) }
        let padded: MatrixView<UInt16> = view(purpose, name, rows: rows, columns: columns + columns % 2)
        return Operand(bits: padded.columns(0..<columns))
    }
}
