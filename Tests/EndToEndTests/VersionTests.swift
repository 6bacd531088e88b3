import Foundation
import TestSupport
import Testing

@Suite("--version")
struct VersionTests {
    @Test(
        "says what was built, of what, and what it computes with",
        arguments: [["--version"], ["pretrain", "--version"]])
    func version(_ arguments: [String]) throws {
        let result = try Program.run(arguments, environment: ["UMAE_MAX_ISA": "avx2"])
        #expect(result.exitCode == 0, "\(result.errors)")
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.count == 5, "\(result.output)")
        #expect(lines.first?.hasPrefix("umae-dist ") == true && lines.first?.contains(".") == true)
        for word in ["commit ", "compiler  Swift 6", "MPI ", "kernels "] {
            #expect(lines.contains { $0.hasPrefix(word) }, "\(result.output)")
        }
        #expect(lines.contains { $0.hasSuffix(" avx2") || $0.hasSuffix(" baseline") }, "\(result.output)")
    }

    @Test("the commit is that of the checkout, says whether sources have changes, and is unknown elsewhere")
    func commit() throws {
        let folder = try TemporaryDirectory()
        let script = """
            set -e
            git init -q tree; cd tree; mkdir Sources; echo a > Sources/a; git add .
            git -c user.name=a -c user.email=a@b commit -qm a
            git rev-parse --short=12 HEAD
            sh "$0" "$PWD" ../out; cat ../out/Commit.swift; ls -i ../out/Commit.swift
            sh "$0" "$PWD" ../out; ls -i ../out/Commit.swift
            echo b > Sources/a; sh "$0" "$PWD" ../out; cat ../out/Commit.swift
            cd Sources; sh "$0" "$PWD" ../../out; cat ../../out/Commit.swift
            """
        let writer = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("scripts/write-commit").path
        let result = try Program.launch(["sh", "-c", script, writer], directory: folder.path)
        #expect(result.exitCode == 0, "\(result.errors)")
        let lines = result.output.split(separator: "\n").map(String.init)
        try #require(lines.count == 6, "\(result.output)\(result.errors)")
        #expect(lines[1] == "let commitOfThisBuild = \"\(lines[0])\"")
        #expect(lines[2] == lines[3])
        #expect(lines[4] == "let commitOfThisBuild = \"\(lines[0]) with changes\"")
        #expect(lines[5] == "let commitOfThisBuild = \"\"")
    }
}
