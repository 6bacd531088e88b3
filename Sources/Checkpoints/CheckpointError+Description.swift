import Glibc
internal import Host

extension CheckpointError: CustomStringConvertible {
    package var description: String {
        let subject = tensor.map { ": tensor '\(Self.printable($0, limit: 120))'" } ?? ""
        // A path may be long; what is wrong with it must not be cut off behind it.
        return "\(Self.printable(path, limit: 1_000))\(Self.printable("\(subject): \(reason.text)", limit: 1_000))"
    }

    /// `text` on one line: control characters become `?`, and what is beyond `limit` characters becomes `…`.
    static func printable(_ text: String, limit: Int) -> String {
        let isLong = text.unicodeScalars.count > limit
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(limit) {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .format: result.append("?")
            default: result.append(scalar)
            }
        }
        return String(result) + (isLong ? "…" : "")
    }
}

extension CheckpointError.Reason {
    fileprivate var text: String {
        switch self {
        case .system(let call, let code): systemText(call, code)
        case .notRegularFile: "is not a regular file"
        case .tooLarge(let bytes, let limit): "has \(bytes) bytes, more than the \(limit) that such a file can have"
        case .truncatedWhileReading(let position):
            "ended at byte \(position) while it was being read; another program changed it"

        case .tooShort(let bytes): "has \(bytes) bytes; a safetensors file has at least 10"
        case .headerTooLong(let bytes, let limit):
            "claims a header of \(bytes) bytes, limit \(limit); this is not a safetensors file"
        case .headerBeyondFile(let bytes, let available):
            "claims a header of \(bytes) bytes where \(available) are left; it is truncated or not a safetensors file"
        case .headerSyntax(let position, let problem): "header is malformed at its byte \(position): \(problem)"
        case .duplicateName: "the name occurs twice in the header"
        case .duplicateField(let name): "field '\(printable(name))' occurs twice in the header"
        case .unknownField(let name): "header has the unknown field '\(printable(name))'"
        case .missingField(let name): "header lacks the field '\(name)'"
        case .unsupportedDtype(let name):
            "dtype '\(printable(name))' cannot be read as floats; convert the tensor to F32"
        case .shapeOverflow: "the product of its shape overflows"
        case .partOfByte(let bits): "its elements take \(bits) bits, which are not whole bytes"
        case .offsetsReversed(let begin, let end): "data_offsets [\(begin), \(end)] are reversed"
        case .offsetsOutsideFile(let end, let available):
            "data end at byte \(end) of a data section of \(available); the file is truncated"
        case .offsetsOverlap(let begin, let end): "data begin at byte \(begin), inside a tensor that ends at \(end)"
        case .offsetsGap(let begin, let end): "data begin at byte \(begin), after a gap from \(end)"
        case .byteCountMismatch(let expected, let found):
            "data_offsets span \(found) bytes where dtype and shape need \(expected)"
        case .trailingBytes(let count): "has \(count) bytes after the last tensor"

        case .tensorMissing: "is not in the file; was it written for another model?"
        case .shapeMismatch(let expected, let found):
            "has shape \(found), expected \(expected); was it written for another model?"

        case .notACheckpoint: "is not a checkpoint directory: it has no \(CheckpointManifest.fileName)"
        case .noCheckpoint: "holds no checkpoint"
        case .noValidCheckpoint(let damaged): "holds no undamaged checkpoint (\(damaged) damaged)"
        case .manifestInvalid(let problem): "is damaged: \(problem)"
        case .unsupportedVersion(let version):
            "has format version \(version), this program reads \(CheckpointManifest.currentVersion); use a newer program"
        case .sizeMismatch(let expected, let found): "is damaged: \(found) bytes, expected \(expected)"
        case .checksumMismatch(let expected, let found):
            "is damaged: CRC-32 \(hexadecimal(found)), expected \(hexadecimal(expected))"
        case .stateInvalid(let problem): "cannot be decoded: \(problem); was it written by a later version?"
        case .stateNotEncodable(let problem): "the run state cannot be encoded: \(problem)"
        case .foreign(let what): "is kept: \(what)"
        case .notADirectory(let flag): "\(flag) needs a directory, and this is a file"
        case .inUse(let owner):
            "is in use by \(owner); wait until it has ended, or choose another directory. If it is gone for good, remove "
                + "\(DirectoryLock.fileName) there"
        }
    }

    private func printable(_ name: String) -> String { CheckpointError.printable(name, limit: 60) }

    private func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    private func systemText(_ call: String, _ code: Int32) -> String {
        let message = SystemErrors.text(of: code)
        let advice =
            switch code {
            case ENOSPC, EDQUOT: "; free space there or choose another directory"
            case EFBIG: "; raise the limit on file size (ulimit -f)"
            case EACCES, EPERM:
                isReading(call)
                    ? "; change its permissions" : "; choose a directory that can be written, or change its permissions"
            case EROFS: "; choose a directory that can be written"
            case ENOENT, ESTALE: "; was it removed or moved?"
            case ENOTDIR: "; a part of this path is a file, not a directory"
            case ENAMETOOLONG: "; choose a shorter path"
            default: ""
            }
        return "\(call == SystemCall.openForReading ? "open" : call) failed: \(message)\(advice)"
    }

    private func isReading(_ call: String) -> Bool {
        [SystemCall.openForReading, "read", "opendir", "readdir", "stat"].contains(call)
    }
}
