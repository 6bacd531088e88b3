import Foundation
import TestSupport
import Testing

@Suite("A setting means the same in recipe, environment and flags", .serialized)
struct SettingLayerTests {
    /// What `--print-config` prints, by key.
    private func settings(
        recipe: String? = nil, environment: [String: String] = [:], _ flags: [String] = []
    ) throws -> [String: String] {
        let folder = try TemporaryDirectory()
        try recipe?.write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
        let result = try Program.run(
            (recipe == nil ? [] : ["--recipe", folder.file("r.yaml")]) + flags + ["--print-config"],
            environment: environment)
        try #require(result.exitCode == 0, "\(result.errors)")
        let pairs = result.output.split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
            let parts = $0.split(separator: ": ", maxSplits: 1)
            return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
        }
        return Dictionary(pairs) { first, _ in first }
    }

    private func refusal(
        recipe: String? = nil, environment: [String: String] = [:], _ flags: [String] = []
    ) throws -> String {
        let folder = try TemporaryDirectory()
        try recipe?.write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
        let result = try Program.run(
            (recipe == nil ? [] : ["--recipe", "r.yaml"]) + flags + ["--print-config"], environment: environment,
            directory: folder.path)
        #expect(result.exitCode == 64 && result.messages.count == 1, "\(result.errors)")
        return result.messages.first ?? ""
    }

    @Test(
        "a recipe's value is its own text, whatever YAML would take it for",
        arguments: [
            "07", "010", "0x1F", "0b11", "12:30", "1e3", "1_000", "2024-01-01", "true", "yes", "~x", "null", ".inf",
            "!important", "!!int 5",
        ])
    func text(_ value: String) throws {
        let expected = value.hasPrefix("!") ? String(value.split(separator: " ").dropFirst().joined()) : value
        let printed = try settings(recipe: "data_path: \(value)\n")["data_path"] ?? ""
        #expect(printed.trimmingCharacters(in: CharacterSet(charactersIn: "'\"")) == (expected.isEmpty ? "" : expected))
        #expect(try settings(recipe: "data_path: '\(value)'\n")["data_path"]?.contains(value) == true)
    }

    @Test("numbers with leading zeros are decimal")
    func zeros() throws { #expect(try settings(recipe: "seed: 010\n")["seed"] == "10") }

    @Test("any text that is printed is read back as the same text")
    func roundTrip() throws {
        var names = [
            "07", "true", "~", "null", "a: b", "# a", "- a", "'", "\"", "a'b\"c", "[a]", "{a", "*a", "&a", "!a", "|",
            ">",
            "%a", "@a", "`a", " lead", "trail ", "a\nb", "a\tb", "a\\b", "a\u{1}b", "\u{85}", "\u{2028}", "a\u{FEFF}b",
            "ü", "日本", "👩‍👩‍👧", "e\u{301}", "\u{301}e", "-", "-1", "--x", "a=b", "=", "none", "", "?", "? a", ":", "a:",
            "12:30", "1_000", "<<", "=a", "\u{7F}", "a #b", "\r", "a\r\nb",
        ]
        var random = SystemRandomNumberGenerator()
        let alphabet = Array(" '\"\\#:-?[]{}&*!|>%@`,~=\n\t\u{85}\u{2029}aZ0é".unicodeScalars)
        for _ in 0..<40 {
            var name = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                if let scalar = alphabet.randomElement(using: &random) { name.append(scalar) }
            }
            names.append(String(name))
        }
        let folder = try TemporaryDirectory()
        for name in names where !(name == "~" || name.hasPrefix("~/")) {
            let first = try Program.run(["--data-path=" + name, "--print-config"])
            #expect(first.exitCode == 0, "\(name.debugDescription): \(first.errors)")
            guard first.exitCode == 0 else { continue }
            try first.output.write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
            // The text itself is compared where a message shows it: there is no such directory.
            let second = try Program.run(["--recipe", folder.file("r.yaml"), "--print-config"])
            #expect(second.output == first.output, "\(name.debugDescription): \(second.errors)")
            let used = try Program.run(["--recipe", folder.file("r.yaml"), "--dry-run"])
            let asked = try Program.run(["--data-path=" + name, "--dry-run"])
            #expect(used.errors == asked.errors, "\(name.debugDescription)")
        }
    }

    @Test(
        "switches are understood in any layer, in the words people use",
        arguments: [
            ("true", "true"), ("True", "true"), ("YES", "true"), ("on", "true"), ("1", "true"), ("false", "false"),
            ("False", "false"), ("no", "false"), ("OFF", "false"), ("0", "false"),
        ])
    func switches(_ word: String, _ value: String) throws {
        #expect(try settings(recipe: "norm_pix_loss: \(word)\n")["norm_pix_loss"] == value)
        #expect(try settings(environment: ["UMAE_NORM_PIX_LOSS": word])["norm_pix_loss"] == value)
        #expect(try settings(["--norm_pix_loss=\(word)"])["norm_pix_loss"] == value)
    }

    @Test("every switch of pretrain can be switched off in every more specific layer")
    func off() throws {
        let switches = try FlagList.of("pretrain").filter(\.isSwitch).map(\.name)
        #expect(switches.contains("deterministic") && switches.contains("recompute-activations"))
        for name in switches where !["print-config", "dry-run"].contains(name) {
            let key = name.replacingOccurrences(of: "-", with: "_")
            // Off, this one needs another width.
            let besides = name == "decoder-embed" ? ["--decoder-embed-dim", "128"] : []
            let off = try settings(recipe: "\(key): false\n", besides)
            #expect(try settings(recipe: "\(key): true\n", besides + ["--no-\(name)"]) == off, "--no-\(name)")
            let variable = "UMAE_" + key.uppercased()
            #expect(
                try settings(recipe: "\(key): true\n", environment: [variable: "false"], besides) == off, "\(variable)")
            #expect(try settings(environment: [variable: "1"], besides + ["--no-\(name)"]) == off, "--no-\(name)")
        }
        #expect(try settings(recipe: "deterministic: true\n")["deterministic"] == "true")
    }

    @Test(
        "what need not be given can be taken back with 'none'",
        arguments: [("clip_grad", "1.5"), ("lr", "0.5"), ("batch_size", "8"), ("images", "7"), ("threads", "3")])
    func none(_ key: String, _ value: String) throws {
        let recipe = "\(key): \(value)\n"
        let flag = "--" + key.replacingOccurrences(of: "_", with: "-")
        #expect(try settings(recipe: recipe)[key].flatMap(Double.init) == Double(value))
        #expect(try settings(recipe: recipe, [flag, "none"])[key] == nil)
        #expect(try settings(recipe: recipe, environment: ["UMAE_" + key.uppercased(): "none"])[key] == nil)
        #expect(try settings(recipe: "\(key): none\n")[key] == nil)
    }

    @Test("a more specific layer wins over a more general one that says the same thing by another name")
    func alternatives() throws {
        let batch = try settings(recipe: "batch_size: 8\n", ["--effective-batch-size", "32"])
        #expect(batch["batch_size"] == nil && batch["effective_batch_size"] == "32")
        let rate = try settings(recipe: "lr: 0.5\n", ["--blr", "1e-4"])
        #expect(rate["lr"] == nil && rate["blr"] == "0.0001")
        let variable = try settings(environment: ["UMAE_BATCH_SIZE": "4"], ["--effective-batch-size", "64"])
        #expect(variable["batch_size"] == nil && variable["effective_batch_size"] == "64")
        let size = try settings(recipe: "img_size: 56\n", ["--input-size", "84"])
        #expect(size["input_size"] == "84x84")
    }

    @Test("a printed configuration keeps no learning rate of another batch")
    func derived() throws {
        let folder = try TemporaryDirectory()
        let first = try Program.run(["--blr", "1e-3", "--effective-batch-size", "256", "--print-config"])
        try first.output.write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
        let second = try Program.run(
            ["--recipe", folder.file("r.yaml"), "--effective-batch-size", "512", "--print-config"])
        #expect(first.output.contains("# lr: 0.001\n") && second.output.contains("# lr: 0.002\n"), "\(second.output)")
        let model = try Program.run(
            ["--recipe", folder.file("r.yaml"), "--model", "mae_vit_base_patch16", "--print-config"])
        #expect(model.output.contains("# embed_dim: 768\n"), "\(model.output)")
    }

    @Test("what contradicts itself within a layer is refused, with the places")
    func contradictions() throws {
        let twice = try refusal(recipe: "batch-size: 8\nlamb: 1\nbatch_size: 16\n")
        #expect(twice.contains("line 1") && twice.contains("line 3"), "\(twice)")
        let same = try refusal(recipe: "lamb: 8\nlamb: 16\n")
        #expect(same.contains("r.yaml") && same.contains("lamb"), "\(same)")
        let names = try refusal(recipe: "img_size: 28\ninput_size: 32\n")
        #expect(names.contains("img_size") && names.contains("input_size"), "\(names)")
        let rates = try refusal(recipe: "lr: 8\nblr: 16\n")
        #expect(rates.contains("'lr'") && rates.contains("'blr'") && rates.contains("line 2"), "\(rates)")
        #expect(try refusal(["--lr", "1", "--blr", "2"]).contains("--lr and --blr"))
        #expect(try refusal(recipe: "recipe: other.yaml\n").contains("line 1: a recipe cannot name another"))
    }

    @Test("mistakes are told by variable, or by file and line")
    func origins() throws {
        let variable = try refusal(environment: ["UMAE_BATCH_SIZE": "x"])
        #expect(variable.contains("UMAE_BATCH_SIZE=x: "), "\(variable)")
        #expect(try refusal(environment: ["UMAE_EPOCHS": "0"]).contains("UMAE_EPOCHS=0: --epochs is 0"))
        #expect(try refusal(environment: ["UMAE_DETERMINISTIC": "perhaps"]).contains("UMAE_DETERMINISTIC is 'perhaps'"))
        let line = try refusal(recipe: "lamb: 1\n\nepochs: many\n")
        #expect(line.contains("r.yaml, line 3, 'epochs'"), "\(line)")
        #expect(try refusal(recipe: "lamb: 1\nepochz: 3\n").contains("r.yaml, line 2: there is no flag 'epochz'"))
        #expect(try refusal(recipe: "deterministic: 2\n").contains("r.yaml, line 1, 'deterministic' is '2'"))
        #expect(try refusal(recipe: "epochs: [1]\n").contains("r.yaml, line 1"))
        #expect(try refusal(["--blr", "-1"]).contains("--blr is -1.0: it must be 0 or above"))
        let kernels = try refusal(environment: ["UMAE_MAX_ISA": "sse"])
        for name in ["UMAE_MAX_ISA", "'sse'", "avx512_bf16", "avx512", "avx2", "baseline"] {
            #expect(kernels.contains(name), "\(kernels)")
        }
    }

    @Test("variables of others are noted once and stop nothing")
    func foreignVariables() throws {
        let result = try Program.run(["--print-config"], environment: ["UMAE_HOME": "/opt/umae", "UMAE_NODES": "3"])
        #expect(result.exitCode == 0 && result.messages.isEmpty)
        let notes = result.errors.split(separator: "\n")
        #expect(notes.count == 1 && notes[0].contains("UMAE_HOME"), "\(result.errors)")
        let plan = try Program.run(
            ["plan", "--seconds-per-image", "1", "--images", "100000", "--nodes", "1", "--device", "cuda"])
        #expect(plan.exitCode == 0 && plan.errors.contains("--device has no effect on plan"), "\(plan.errors)")
    }

    @Test("a recipe may come through a pipe, on any number of ranks", arguments: [nil, 2])
    func pipe(ranks: Int?) throws {
        let launcher = ranks.map { "mpirun -n \($0) --oversubscribe --bind-to none" } ?? ""
        for name in ["-", "/dev/stdin"] {
            let result = try Program.launch(
                ["sh", "-c", "echo 'lamb: 0.25' | \(launcher) \"$0\" --recipe \(name) --print-config", Program.path])
            #expect(result.exitCode == 0 && result.output.contains("lamb: 0.25"), "\(result.errors)")
        }
        guard ranks == nil else { return }
        let result = try Program.launch(
            ["bash", "-c", "\"$0\" --recipe <(echo 'lamb: 0.25') --print-config", Program.path])
        #expect(result.exitCode == 0 && result.output.contains("lamb: 0.25"), "\(result.errors)")
    }

    @Test("a home directory is meant by ~ in every layer")
    func home() throws {
        let environment = ["HOME": "/home/somebody"]
        let paths = [
            try settings(recipe: "data_path: ~/d\n", environment: environment),
            try settings(environment: environment.merging(["UMAE_DATA_PATH": "~/d"]) { $1 }),
            try settings(environment: environment, ["--data-path", "~/d"]),
        ]
        for path in paths { #expect(path["data_path"] == "/home/somebody/d") }
    }

    @Test("printing settings needs neither the images nor their number")
    func withoutData() throws {
        let printed = try settings(recipe: "images: 1281167\ndata_path: /no/such/place\n")
        #expect(printed["images"] == "1281167" && printed["data_path"] == "/no/such/place")
    }
}
