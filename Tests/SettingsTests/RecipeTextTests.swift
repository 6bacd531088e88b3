import ArgumentParser
import Settings
import Testing

@Suite("Options as a recipe")
struct RecipeTextTests {
    enum Shade: String, CaseIterable, ExpressibleByArgument {
        case light
        case veryDark = "very-dark"
    }

    struct Pair: ExpressibleByArgument {
        let first: Int
        let second: Int

        init?(argument: String) {
            let parts = argument.split(separator: "x").compactMap { Int($0) }
            guard parts.count == 2 else { return nil }
            (first, second) = (parts[0], parts[1])
        }

        var defaultValueDescription: String { "\(first)x\(second)" }
    }

    struct Inner: ParsableArguments {
        @Option var manyWords = 0.5
        @Option var shade = Shade.light
        @Option var pair: Pair?
        @Flag(inversion: .prefixedNo) var quick = false
    }

    struct Outer: ParsableArguments {
        @Option var name = "a"
        @OptionGroup var inner: Inner
        @Option var whole: Int?
        @Option(name: .customLong("base")) var base = 3
        @Flag(inversion: .prefixedNo) var loud: Bool?
    }

    @Test("every flag of every group is found, in the order of --help, with the text that is read back as its value")
    func values() throws {
        let plain = FlagValue.all(in: try Outer.parse([]))
        #expect(plain.map(\.flag) == ["name", "many-words", "shade", "pair", "quick", "whole", "base", "loud"])
        #expect(plain.map(\.text) == ["a", "0.5", "light", nil, "false", nil, "3", nil])
        let arguments = [
            "--name", "b", "--many-words", "1e-3", "--shade", "very-dark", "--pair", "2x3", "--quick", "--whole", "007",
            "--no-loud",
        ]
        let given = FlagValue.all(in: try Outer.parse(arguments))
        #expect(given.map(\.text) == ["b", "0.001", "very-dark", "2x3", "true", "7", "3", "false"])
    }

    @Test("flags that are not as they are by default")
    func changed() throws {
        #expect(FlagValue.changed(in: try Outer.parse([])).isEmpty)
        #expect(FlagValue.changed(in: try Outer.parse(["--many-words", "0.50", "--no-quick"])).isEmpty)
        let flags = FlagValue.changed(in: try Outer.parse(["--pair", "1x1", "--base", "4", "--no-loud"])).map(\.flag)
        #expect(flags == ["pair", "base", "loud"])
    }

    private func recipe(_ arguments: [String]) throws -> [String] {
        RecipeText.yaml(
            of: try Outer.parse(arguments), omitting: ["quick"], alternatives: [["whole", "base"]],
            resolved: ["pair": "9x9", "base": "21", "quick": "true", "name": "z"]
        ).split(separator: "\n").dropFirst().map(String.init)
    }

    @Test("what was not given is a comment, if it is known")
    func comments() throws {
        #expect(
            try recipe([]) == ["name: a", "many_words: 0.5", "shade: light", "# pair: 9x9", "base: 3"])
    }

    @Test("of two ways to say one thing, the one without a default sets the other aside")
    func alternatives() throws {
        let lines = try recipe(["--whole", "7", "--pair", "2x3"])
        #expect(lines == ["name: a", "many_words: 0.5", "shade: light", "pair: 2x3", "whole: 7", "# base: 21"])
    }

    @Test("text is quoted where YAML would take it for something else, and only text")
    func quoting() throws {
        #expect(try recipe(["--name", "true"]).first == "name: 'true'")
        #expect(try recipe(["--name", "010"]).first == "name: '010'")
        #expect(try recipe(["--name", "a\nb"]).first == "name: \"a\\u000ab\"")
    }
}
