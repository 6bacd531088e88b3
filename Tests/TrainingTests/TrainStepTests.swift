import Communication
import DataParallel
import Layers
import Optimization
import Tensors
import TestSupport
import Testing
import Training

@Suite("A step of training, whatever is trained, is the same on any number of ranks")
struct TrainStepTests {
    /// Ranks, micro-batches of each and threads.
    typealias Division = (ranks: Int, accumulation: Int, threads: Int)
    static let divisions: [Division] = [(1, 1, 1), (1, 4, 2), (2, 1, 1), (2, 2, 2), (3, 1, 1), (4, 1, 1), (4, 2, 1)]

    private func run(_ division: Division, _ change: (inout ToyRun) -> Void = { _ in }) -> ToyRun {
        var run = ToyRun()
        // A batch that can be divided in each of these ways.
        (run.batch, run.accumulation, run.threads) = (24, division.accumulation, division.threads)
        change(&run)
        return run
    }

    @Test("weights, losses and norms are those of a plain loop over all images", arguments: divisions, [0, 0.5])
    func plainLoop(division: Division, lambda: Double) throws {
        let run = run(division) { $0.lambda = lambda }
        let expected = PlainLoop(run, steps: 7)
        let outcomes = try run.train(steps: 7, ranks: division.ranks)
        for outcome in outcomes {
            // Twelve digits less than the loop has; AdamW divides a gradient by its own size.
            #expect(relativeError(outcome.weights, expected.weights) < 1e-4)
            #expect(relativeError(outcome.steps.map(\.figures.squares), expected.losses) < 1e-6)
            #expect(relativeError(outcome.steps.map(\.gradientNorm), expected.gradientNorms) < 1e-5)
            #expect(outcome.updates == 7 && outcome.steps.allSatisfy { $0.images == 24 && $0.learningRate == run.rate })
            #expect(outcome.weights == outcomes[0].weights)
        }
        // The second term moves something.
        #expect(
            relativeError(
                PlainLoop(self.run(division) { $0.lambda = 0.5 - lambda }, steps: 7).weights, expected.weights) > 1e-2)
    }

    @Test("gradients are clipped by the norm over all ranks", arguments: [1, 2, 4])
    func clipping(ranks: Int) throws {
        let run = run((ranks, 1, 1)) { $0.rules = StepRules(clipGradient: 0.05) }
        let expected = PlainLoop(run, steps: 5)
        #expect(expected.gradientNorms.allSatisfy { $0 > 0.05 })
        for outcome in try run.train(steps: 5, ranks: ranks) {
            #expect(relativeError(outcome.weights, expected.weights) < 1e-4)
        }
        // AdamW hardly sees the size of all gradients, but that they are clipped by different factors.
        #expect(relativeError(PlainLoop(self.run((ranks, 1, 1)), steps: 5).weights, expected.weights) > 1e-3)
    }

    @Test("however gradients travel and whoever updates which weights", arguments: [2, 3, 4], [0, 0.5])
    func exchange(ranks: Int, lambda: Double) throws {
        let alone = try run((1, 1, 1)) { $0.lambda = lambda }.train(steps: 7, ranks: 1)[0]
        let variants: [(name: String, isRounded: Bool, change: (inout GradientSumConfiguration) -> Void)] = [
            ("direct", false, { $0.algorithm = .direct }), ("all-reduce", false, { $0.algorithm = .allReduce }),
            ("shared", false, { $0.shardsOptimizer = true }), ("rounded", true, { $0.wire = .bfloat16 }),
            (
                "rounded and shared", true,
                {
                    $0.wire = .bfloat16
                    $0.shardsOptimizer = true
                }
            ),
        ]
        for (name, isRounded, change) in variants {
            let outcomes = try run((ranks, 1, 1)) {
                $0.lambda = lambda
                change(&$0.exchange)
            }.train(steps: 7, ranks: ranks)
            for outcome in outcomes {
                let error = relativeError(outcome.weights, alone.weights)
                // AdamW makes a full step also of a gradient that is little more than its rounding.
                #expect(isRounded ? error > 1e-4 && error < 0.05 : error < 1e-5, "\(name): \(error)")
                let losses = relativeError(outcome.steps.map(\.figures.squares), alone.steps.map(\.figures.squares))
                #expect(losses < (isRounded ? 1e-2 : 1e-6), "\(name): \(losses)")
                #expect(outcome.weights == outcomes[0].weights, "\(name): replicas differ")
                #expect(outcome.steps.map(\.gradientNorm) == outcomes[0].steps.map(\.gradientNorm), "\(name)")
            }
        }
    }

    @Test("with a fixed number of shards not one bit depends on the number of ranks", arguments: [2, 4, 8])
    func fixedShards(ranks: Int) throws {
        func train(_ ranks: Int) throws -> [ToyRun.Outcome] {
            try run((ranks, 8 / ranks, 1)) { $0.exchange.fixedShards = 8 }.train(steps: 7, ranks: ranks)
        }
        let alone = try train(1)[0]
        for outcome in try train(ranks) {
            #expect(outcome.weights == alone.weights)
            #expect(outcome.steps.map(\.figures.squares) == alone.steps.map(\.figures.squares))
            #expect(outcome.steps.map(\.gradientNorm) == alone.steps.map(\.gradientNorm))
        }
    }

    @Test("what one rank asks for, all learn")
    func ballot() throws {
        let run = run((3, 1, 1))
        let saves = try InProcessWorld.run(ranks: 3) { communicator in
            let step = try run.step(on: communicator)
            return try (1...3).map {
                try step.run($0, learningRate: run.rate, savesAfter: communicator.rank == 1 && $0 == 2).saveRequested
            }
        }
        #expect(saves == Array(repeating: [false, true, false], count: 3))
    }

    @Test(
        "a snapshot holds what was before the update; a share of the weights where ranks share it", arguments: [1, 2])
    func snapshot(ranks: Int) throws {
        let run = run((ranks, 1, 1)) { $0.exchange.shardsOptimizer = ranks > 1 }
        let isBefore = try InProcessWorld.run(ranks: ranks) { communicator in
            let step = try run.step(on: communicator)
            let optimizer = step.update.optimizer
            for number in 1...2 {
                #expect(try !step.run(number, learningRate: run.rate).tookSnapshot)
            }
            let values = step.pass.objective.parameters.values
            let (weights, moments) = (values.array, optimizer.moments.map(\.array))
            let snapshot = OptimizerSnapshot(count: values.count, names: AdamW.momentNames, plan: MemoryPlan())
            let outcome = try step.run(3, learningRate: run.rate, savingTo: snapshot)
            let kept = optimizer.owned.allSatisfy { snapshot.values.columns($0).array == Array(weights[$0]) }
            return outcome.tookSnapshot && kept && values.array != weights
                && (step.update.isShared || snapshot.moments.map(\.array) == moments)
        }
        #expect(isBefore == Array(repeating: true, count: ranks))
    }
}
