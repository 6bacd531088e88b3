import ImageShards
import Testing

/// Compared with what bash makes of the same text.
@Suite("Names of shards")
struct ShardNamesTests {
    @Test(
        "braces expand as bash expands them",
        arguments: [
            ("a-{000..002}.tar", ["a-000.tar", "a-001.tar", "a-002.tar"]),
            ("{a,b}/{0..1}.tar", ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"]),
            ("{x,y{1,2}}z", ["xz", "y1z", "y2z"]),
            ("{08..10}", ["08", "09", "10"]), ("{9..11}", ["9", "10", "11"]),
            ("{1..010}", (1...10).map { $0 < 10 ? "00\($0)" : "010" }),
            ("{3..1}", ["3", "2", "1"]), ("{0..6..3}", ["0", "3", "6"]), ("{a..c}", ["a", "b", "c"]),
            ("{-1..1}", ["-1", "0", "1"]), ("{a,}b", ["ab", "b"]),
            ("plain.tar", ["plain.tar"]), ("{a}", ["{a}"]), ("{", ["{"]), ("a}b", ["a}b"]), ("{x..10}", ["{x..10}"]),
            ("{}-{0..1}", ["{}-0", "{}-1"]), ("{a-{1..2}}", ["{a-1}", "{a-2}"]),
        ])
    func expansion(pattern: String, names: [String]) {
        #expect(ShardNames.expand(pattern) == names)
    }

    @Test("more names than shards can be are not made", arguments: ["{0..1023}{0..1023}{0..9}", "{0..9999}{0..9999}"])
    func tooMany(pattern: String) {
        #expect(ShardNames.expand(pattern) == nil)
    }

    @Test("a range that no computer can count stands for itself")
    func hugeRange() {
        let pattern = "{-9223372036854775808..9223372036854775807}"
        #expect(ShardNames.expand(pattern) == [pattern])
    }
}
