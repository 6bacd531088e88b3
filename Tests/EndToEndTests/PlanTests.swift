import Foundation
import TestSupport
import Testing

@Suite("A plan for machines that are not here", .serialized)
struct PlanTests {
    private struct Document: Decodable {
        struct Row: Decodable, Equatable {
            let nodes: Int
            let ranks: Int
            let batch_size_per_rank: Int?
            let accum_iter: Int?
            let seconds_per_step: Double?
            let images_per_second: Double?
            let exposed_communication_seconds: Double?
            let efficiency: Double?
            let planned_memory_bytes: Int?
            let days: Double?
            let obstacle: String?
        }
        struct Sample: Decodable {
            let images: Int
            let encodes_twice: Bool
            let seconds_per_phase: [String: Double]
        }
        let model: String
        let effective_batch_size: Int
        let epochs: Int
        let images: Int?
        let source: String
        let samples: [Sample]
        let local_bandwidth_gb_per_second: Double
        let rows: [Row]
    }

    private func plan(
        _ arguments: [String], ranks: Int? = nil, directory: String? = nil, environment: [String: String] = [:]
    ) throws -> Document {
        let result = try Program.run(
            ["plan", "--json"] + arguments, ranks: ranks, environment: environment, directory: directory)
        #expect(result.exitCode == 0, "\(result.errors)")
        return try JSONDecoder().decode(Document.self, from: Data(result.output.utf8))
    }

    private static let given = [
        "--seconds-per-image", "0.15", "--seconds-per-update", "0.2", "--local-bandwidth", "3", "--local-latency", "1",
        "--threads", "1", "--precision", "bf16",
    ]

    @Test("seconds handed in give the same plan alone and under mpirun")
    func handedIn() throws {
        let flags =
            Self.given + [
                "--model", "mae_vit_tiny_patch4", "--effective-batch-size", "512", "--images", "50000", "--epochs", "4",
                "--nodes", "1,2,4,...,16", "--ranks-per-node", "4", "--bandwidth", "25", "--latency", "10",
            ]
        let document = try plan(flags)
        #expect(document.source == "seconds-per-image" && document.images == 50000 && document.epochs == 4)
        #expect(document.rows.map(\.nodes) == [1, 2, 4, 8, 16] && document.rows.map(\.ranks) == [4, 8, 16, 32, 64])
        #expect(document.rows.map(\.accum_iter) == [4, 2, 1, 1, 1])
        #expect(document.rows.map(\.batch_size_per_rank) == [32, 32, 32, 16, 8])
        for row in document.rows {
            let (step, speed) = try (#require(row.seconds_per_step), #require(row.images_per_second))
            #expect(abs(step * speed - 512) < 1e-6)
            let (days, exposed) = try (#require(row.days), #require(row.exposed_communication_seconds))
            #expect(abs(days - 4 * Double(50000 / 512) * step / 86400) < 1e-9)
            let images = Double(512 / row.ranks)
            // Encoded once, an image takes what was said.
            if row.accum_iter == 1 { #expect(abs(step - exposed - images * 0.15 - 0.2) < 1e-9) }
        }
        let distributed = try plan(flags, ranks: 2)
        #expect(distributed.rows == document.rows)
    }

    @Test("what is measured here leads to a table, with the memory that a run on these ranks has", arguments: [1, 2])
    func measured(ranks: Int) throws {
        let flags = SmallRun.model + ["--batch-size", "4", "--threads", "1", "--precision", "fp32"]
        let document = try plan(
            flags + [
                "--effective-batch-size", "16", "--data-path", "synthetic", "--nodes", "1,2,4", "--ranks-per-node",
                "\(ranks)", "--steps", "2",
            ], ranks: ranks)
        #expect(document.source == "measured")
        #expect(document.samples.allSatisfy { ($0.seconds_per_phase["backward"] ?? 0) > 0 })
        #expect(document.rows.allSatisfy { ($0.seconds_per_step ?? 0) > 0 && $0.obstacle == nil })
        #expect((document.rows[0].exposed_communication_seconds == 0) == (ranks == 1))
        let dry = try Program.run(
            flags + [
                "--accum-iter", "\(16 / 4 / ranks)", "--data-path", "synthetic", "--output-dir", "somewhere",
                "--dry-run",
            ], ranks: ranks)
        let planned = Double(try #require(document.rows[0].planned_memory_bytes)) / 1_048_576
        #expect(dry.output.contains(String(format: "%.1f MiB", planned)), "\(planned) MiB: \(dry.output)")
        #expect(dry.output.contains("saving") && dry.output.contains("data "))
        let table = try Program.run(
            ["plan", "--nodes", "1,2", "--data-path", "synthetic", "--steps", "1"] + flags, ranks: ranks)
        #expect(table.output.contains("images/s") && table.output.contains("measured \(ranks) rank"))
        #expect(table.output.split(separator: "\n").last?.contains("16") == true)
    }

    @Test("the images are those that a run would find, by the same flags", arguments: [nil, 2])
    func foundImages(ranks: Int?) throws {
        let folder = try TemporaryDirectory()
        for number in 0..<24 {
            let image = pngBytes(width: 16, height: 16, patternBytes(768, salt: number))
            try folder.write("images/class-\(number % 3)/\(number).png", image)
        }
        try "class-0\nclass-2\n".write(toFile: folder.file("classes"), atomically: true, encoding: .utf8)
        func plan(_ more: [String]) throws -> Program.Result {
            try Program.run(
                ["plan", "--nodes", "1", "--seconds-per-image", "0.1", "--effective-batch-size", "8"] + SmallRun.model
                    + ["--in-chans", "3"] + more, ranks: ranks)
        }
        let data = ["--data-path", folder.file("images")]
        #expect(try plan(data).output.contains(" of 24 images"))
        #expect(try plan(data + ["--classes", folder.file("classes")]).output.contains(" of 16 images"))
        #expect(try plan(data + ["--data-kind", "arrays"]).output.contains("cannot be opened here"))
        let refused = try plan(data + ["--classes", folder.file("nowhere")])
        #expect(refused.exitCode == 64 && refused.messages.count == 1, "\(refused.errors)")
    }

    @Test("figures of bench stand for another machine's cores")
    func benchFile() throws {
        let folder = try TemporaryDirectory()
        let bench = try Program.run(
            ["bench", "--json", "--steps", "2", "--batch-size", "4", "--threads", "1", "--precision", "fp32"]
                + SmallRun.model)
        try bench.output.write(toFile: folder.file("bench.json"), atomically: true, encoding: .utf8)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(bench.output.utf8)) as? [String: Any])
        let phases = try #require(object["seconds_per_phase"] as? [String: Double])
        let document = try plan(
            SmallRun.model + [
                "--bench-json", folder.file("bench.json"), "--nodes", "1", "--ranks-per-node", "1", "--batch-size", "4",
                "--effective-batch-size", "4", "--data-path", "synthetic",
            ])
        let computing = ["data", "forward", "backward", "optimizer"].reduce(0) { $0 + (phases[$1] ?? 0) }
        let step = try #require(document.rows[0].seconds_per_step)
        #expect(abs(step - computing) < 1e-9)
    }

    @Test(
        "a recipe is found by its name, from the directory of the checkout and from elsewhere, its flags read in layers"
    )
    func recipeByName() throws {
        let flags = Self.given + ["--recipe", "imagenet1k-vit-b-mae", "--nodes", "1,2,4,...,1024"]
        let elsewhere = try TemporaryDirectory()
        let document = try plan(flags, directory: elsewhere.path)
        #expect(document.model == "mae_vit_base_patch16" && document.images == 1_281_167)
        #expect(document.effective_batch_size == 4096 && document.epochs == 800)
        #expect(document.rows.count == 11 && document.rows.last?.obstacle?.contains("512 nodes") == true)
        let changed = try plan(
            flags + ["--effective-batch-size", "8192"], directory: elsewhere.path, environment: ["UMAE_EPOCHS": "8"])
        #expect(changed.epochs == 8 && changed.effective_batch_size == 8192)
        #expect(changed.rows.last?.batch_size_per_rank == 1)
        // One of the working directory's comes first, and pretraining finds it too.
        try FileManager.default.createDirectory(
            atPath: elsewhere.file("recipes"), withIntermediateDirectories: true)
        try "epochs: 7\ndata_path: synthetic\n".write(
            toFile: elsewhere.file("recipes/cifar10-vit-tiny.yaml"), atomically: true, encoding: .utf8)
        let own = try Program.run(
            ["--recipe", "cifar10-vit-tiny", "--print-config"], directory: elsewhere.path)
        #expect(own.exitCode == 0 && own.output.contains("epochs: 7"), "\(own.errors)")
    }

    @Test("a recipe that is nowhere is told with the places looked in", arguments: [["plan"], []])
    func missingRecipe(_ command: [String]) throws {
        let result = try Program.run(command + ["--recipe", "imagenet99"])
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        let line = result.messages.first ?? ""
        for mention in ["--recipe", "imagenet99", "recipes/imagenet99.yaml"] {
            #expect(line.contains(mention), "\(line)")
        }
    }

    @Test("data with another number of images than the recipe's is refused")
    func otherData() throws {
        let result = try Program.run(SmallRun.arguments("") + ["--images", "161"])
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("--images is 161") == true && result.errors.contains("160"))
    }

    static let bad = [
        BadInputTests.Case("no nodes", ["--nodes", "0"], "--nodes"),
        BadInputTests.Case("nodes in no order", ["--nodes", "4,2"], "--nodes"),
        BadInputTests.Case("dots after one number", ["--nodes", "1,...,8"], "--nodes"),
        BadInputTests.Case("no ranks", ["--ranks-per-node", "0"], "--ranks-per-node", "0"),
        BadInputTests.Case("too many ranks", ["--ranks-per-node", "4096"], "--ranks-per-node", "131072"),
        BadInputTests.Case("no bandwidth", ["--bandwidth", "0"], "--bandwidth", "0"),
        BadInputTests.Case("negative latency", ["--latency=-1"], "--latency", "-1"),
        BadInputTests.Case("no images", ["--images", "0"], "--images"),
        BadInputTests.Case("a batch beyond the data", ["--images", "100"], "128", "100", "--effective-batch-size"),
        BadInputTests.Case("no time", ["--seconds-per-image", "0"], "--seconds-per-image"),
        BadInputTests.Case("a file that is not there", ["--bench-json", "/no/b.json"], "--bench-json", "/no/b.json"),
        BadInputTests.Case("a file of something else", ["--bench-json", "/etc/hostname"], "--bench-json", "hostname"),
        BadInputTests.Case(
            "two sources", ["--bench-json", "/no/b.json", "--seconds-per-image", "1"], "--bench-json", "one of them"),
        BadInputTests.Case(
            "half a source", ["--seconds-per-update", "1"], "--seconds-per-update", "--seconds-per-image"),
        BadInputTests.Case("no steps", ["--steps", "0"], "--steps"),
        BadInputTests.Case("micro-batches of a fixed batch", ["--accum-iter", "4"], "--accum-iter", "--scaling weak"),
        BadInputTests.Case("unknown scaling", ["--scaling", "sideways"], "--scaling"),
    ]

    @Test("bad input is told in one line, on any number of ranks", arguments: bad)
    func badInput(_ bad: BadInputTests.Case) throws {
        let result = try Program.run(["plan"] + bad.arguments, ranks: 2, environment: Program.endingTogether)
        #expect(result.exitCode != 0)
        #expect(result.messages.count == 1, "\(result.errors)")
        for mention in bad.mentions {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
    }
}
