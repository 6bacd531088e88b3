import Foundation
import TestSupport
import Testing

/// The processes of a run, found by a text of their command line that no other run's has: its directory.
struct Ranks {
    /// By rank.
    let processes: [pid_t]

    /// Waits until all are there.
    init(count: Int, of text: String) throws {
        var found: [Int: pid_t] = [:]
        let deadline = Date().addingTimeInterval(Program.patience)
        repeat {
            found = Self.running(of: text)
            if found.count < count { usleep(10_000) }
        } while found.count < count && Date() < deadline
        processes = try (0..<count).map { try #require(found[$0], "rank \($0) was not started") }
    }

    static func running(of text: String) -> [Int: pid_t] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var found: [Int: pid_t] = [:]
        for process in all.compactMap({ pid_t($0) }) where strings(process, "cmdline").contains(where: { $0 == text }) {
            let prefix = "OMPI_COMM_WORLD_RANK="
            // A shell on the way to the program has the variable too.
            guard let rank = strings(process, "environ").first(where: { $0.hasPrefix(prefix) }),
                (try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8))?.hasPrefix("umae-dist") == true
            else { continue }
            found[Int(rank.dropFirst(prefix.count)) ?? -1] = process
        }
        return found
    }

    private static func strings(_ process: pid_t, _ name: String) -> [Substring] {
        guard let data = FileManager.default.contents(atPath: "/proc/\(process)/\(name)") else { return [] }
        return data.split(separator: 0).map { Substring(decoding: $0, as: UTF8.self) }
    }

    subscript(rank: Int) -> pid_t { processes[rank] }

    /// Waits until the process is gone, or nothing but its entry in the process table is left.
    static func isGone(_ process: pid_t, within seconds: Double = Program.patience) -> Bool {
        let deadline = Date().addingTimeInterval(seconds)
        repeat {
            let status = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
            guard let state = status.split(separator: ")").last?.split(separator: " ").first else { return true }
            if state == "Z" || state == "X" { return true }
            usleep(20_000)
        } while Date() < deadline
        return false
    }

    /// Writes `replacement` over every place where `pattern` stands in the process's writable memory, as a failing
    /// memory module would; returns how many there were.
    static func overwrite(_ pattern: [Float], with replacement: [Float], in process: pid_t) throws -> Int {
        let maps = try String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8)
        let file = unsafe open("/proc/\(process)/mem", O_RDWR)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        let old = unsafe pattern.withUnsafeBytes { unsafe Data($0) }
        let new = unsafe replacement.withUnsafeBytes { unsafe Array($0) }
        var places = 0
        for line in maps.split(separator: "\n") {
            let fields = line.split(separator: " ")
            let bounds = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
            guard fields[1].hasPrefix("rw-p"), bounds.count == 2, bounds[1] - bounds[0] < 1 << 28 else { continue }
            var content = [UInt8](repeating: 0, count: bounds[1] - bounds[0])
            let read = unsafe content.withUnsafeMutableBytes {
                unsafe pread(file, $0.baseAddress, $0.count, off_t(bounds[0]))
            }
            guard read > 0 else { continue }
            let data = Data(content[..<read])
            var start = 0
            while let range = data.range(of: old, in: start..<data.count) {
                let written = unsafe new.withUnsafeBytes {
                    unsafe pwrite(file, $0.baseAddress, $0.count, off_t(bounds[0] + range.lowerBound))
                }
                places += written == new.count ? 1 : 0
                start = range.upperBound
            }
        }
        return places
    }
}

/// Waits for something that a run does.
func wait(_ seconds: Double = Program.patience, until condition: () -> Bool) throws {
    let deadline = Date().addingTimeInterval(seconds)
    // What is seen once may be gone when one looks again.
    var isThere = condition()
    while !isThere && Date() < deadline {
        usleep(2_000)
        isThere = condition()
    }
    try #require(isThere, "the run did not get that far in \(seconds) s")
}

/// Makes the first line of a run's log wait, and the run with it, so that a test can do something in the middle of it however
/// busy the machine is.
struct LogGate {
    private let path: String

    /// - Parameter folder: of the test, in which there is nothing called `gate`.
    init(in folder: TemporaryDirectory) { path = folder.file("gate") }

    var environment: [String: String] {
        get throws { ["LD_PRELOAD": try Program.library("FaultInjector"), "FAULT_HOLD_APPEND": path] }
    }

    /// Lets the run go on.
    func open() throws { try Data().write(to: URL(fileURLWithPath: path)) }
}

/// What a file holds that a run writes meanwhile.
func text(of path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

func fileExists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
