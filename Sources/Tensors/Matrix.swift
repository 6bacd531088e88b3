import Glibc

/// A view of `rows` × `columns` elements of a `Storage`, row-major, rows `stride` elements apart.
///
/// Higher-rank tensors are matrices whose rows are flattened: tokens of a batch are [N·T, D]. Views are values that
/// share their storage, and keep it alive.
package struct MatrixView<Element: BitwiseCopyable>: @unchecked Sendable {
    package let storage: Storage<Element>
    package let offset: Int
    package let rows: Int
    package let columns: Int
    package let stride: Int

    package init(storage: Storage<Element>, offset: Int = 0, rows: Int, columns: Int, stride: Int? = nil) {
        let stride = stride ?? columns
        precondition(offset >= 0 && rows >= 0 && columns >= 0 && stride >= columns)
        precondition(rows == 0 || offset + (rows - 1) * stride + columns <= storage.count, "view outside its storage")
        self.storage = storage
        self.offset = offset
        self.rows = rows
        self.columns = columns
        self.stride = stride
    }

    /// A new, zeroed matrix.
    package init(rows: Int, columns: Int) {
        self.init(storage: Storage(count: Self.elements(rows, columns)), rows: rows, columns: columns)
    }

    /// A matrix that is only thought of: see `Storage.init(unbacked:)`.
    package init(unbackedRows rows: Int, columns: Int) {
        self.init(storage: Storage(unbacked: Self.elements(rows, columns)), rows: rows, columns: columns)
    }

    /// rows × columns. Traps where so many elements have more bytes than can be counted.
    private static func elements(_ rows: Int, _ columns: Int) -> Int {
        let (count, isTooLarge) = rows.multipliedReportingOverflow(by: columns)
        guard !isTooLarge && count <= Int.max / MemoryLayout<Element>.stride else { RefusedMemory.end(bytes: nil) }
        return count
    }

    package init(rows: Int, columns: Int, values: [Element]) {
        precondition(values.count == rows * columns)
        self.init(rows: rows, columns: columns)
        copy(from: values)
    }

    package var count: Int { rows * columns }
    package var byteCount: Int { count * MemoryLayout<Element>.stride }
    /// Whether the elements follow one another without gaps.
    package var isContiguous: Bool { stride == columns || rows <= 1 }

    /// The first element, for a C call. Valid while this view, or another of the same storage, is alive: pass it on at
    /// once, never keep it.
    package var pointer: UnsafeMutablePointer<Element> {
        unsafe storage.address + offset
    }

    package subscript(row: Int, column: Int) -> Element {
        get {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns)
            return unsafe pointer[row * stride + column]
        }
        nonmutating set {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns)
            unsafe pointer[row * stride + column] = newValue
        }
    }

    // MARK: Views of a part

    package func rows(_ range: Range<Int>) -> Self {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows)
        return Self(
            storage: storage, offset: offset + range.lowerBound * stride, rows: range.count, columns: columns,
            stride: stride)
    }

    package func columns(_ range: Range<Int>) -> Self {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns)
        return Self(
            storage: storage, offset: offset + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }

    /// Row `index`, counted on from the first after the last.
    package func cyclicRow(_ index: Int) -> Self {
        let row = index % rows
        return self.rows(row..<row + 1)
    }

    /// Every `step`-th row, from `first`: the class tokens of [N·T, D] are `everyRow(from: 0, step: T)`.
    package func everyRow(from first: Int, step: Int) -> Self {
        precondition(first >= 0 && first < max(rows, 1) && step > 0)
        return Self(
            storage: storage, offset: offset + first * stride, rows: (rows - first + step - 1) / step,
            columns: columns, stride: stride * step)
    }

    /// The same elements in another shape; the view must be contiguous.
    package func reshaped(rows: Int, columns: Int) -> Self {
        precondition(isContiguous && rows * columns == count)
        return Self(storage: storage, offset: offset, rows: rows, columns: columns)
    }

    // MARK: Elements in bulk

    package func withElements<Result, Failure: Error>(
        _ body: (Span<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(isContiguous)
        return try unsafe body(Span(_unsafeStart: pointer, count: count))
    }

    package func withMutableElements<Result, Failure: Error>(
        _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(isContiguous)
        var span = unsafe MutableSpan(_unsafeStart: pointer, count: count)
        return try body(&span)
    }

    package func copy(from values: [Element]) {
        precondition(isContiguous && values.count == count)
        unsafe values.withUnsafeBufferPointer { source in
            if let address = source.baseAddress { unsafe pointer.update(from: address, count: count) }
        }
    }

    package func copy(from other: Self) {
        precondition(rows == other.rows && columns == other.columns)
        if isContiguous && other.isContiguous {
            unsafe pointer.update(from: other.pointer, count: count)
        } else {
            for row in 0..<rows {
                unsafe (pointer + row * stride).update(from: other.pointer + row * other.stride, count: columns)
            }
        }
    }

    package func fill(_ value: Element) {
        for row in 0..<rows { unsafe (pointer + row * stride).update(repeating: value, count: columns) }
    }

    /// Sets every bit to zero; the view must be contiguous.
    package func clear() {
        precondition(isContiguous)
        unsafe memset(pointer, 0, byteCount)
    }

    package var array: [Element] {
        var values: [Element] = []
        values.reserveCapacity(count)
        for row in 0..<rows {
            for column in 0..<columns { values.append(self[row, column]) }
        }
        return values
    }
}

package typealias Matrix = MatrixView<Float>
/// Row or token indices.
package typealias IndexMatrix = MatrixView<Int32>
