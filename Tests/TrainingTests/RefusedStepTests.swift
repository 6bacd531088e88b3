import Communication
import DataParallel
import Layers
import Optimization
import Tensors
import TestSupport
import Testing
import Training

@Suite("A step that cannot be made is refused by all ranks, before anything is updated")
struct RefusedStepTests {
    /// What became of each rank: the text of its error, and whether its weights are those before the step that failed.
    private func outcomes(_ run: ToyRun, ranks: Int, failingAt step: Int) throws -> [(text: String, unchanged: Bool)] {
        let before = try run.train(steps: step - 1, ranks: ranks)
        return try InProcessWorld.run(ranks: ranks) { communicator in
            let training = try run.step(on: communicator)
            for number in 1..<step { _ = try training.run(number, learningRate: run.rate) }
            let error = thrownError(StepRefused.self) { try training.run(step, learningRate: run.rate) }
            let weights = training.pass.objective.parameters.values.array
            return (error?.description ?? "no error", weights == before[communicator.rank].weights)
        }
    }

    @Test("a loss that is not a number names rank, step and loss", arguments: [1, 2, 4], [1, 2])
    func loss(ranks: Int, accumulation: Int) throws {
        var run = ToyRun()
        run.accumulation = accumulation
        let victim = run.batch - 1
        run.targets[run.samples(of: 3)[victim]] = .nan
        for (text, unchanged) in try outcomes(run, ranks: ranks, failingAt: 3) {
            let place = "at step 3 (rank \(ranks - 1): squared error is not a number)"
            #expect(text.contains("a loss is not finite \(place)"), "\(text)")
            #expect(unchanged)
        }
    }

    @Test(
        "a gradient that is not finite while the losses are names the rank whose it is",
        arguments: [1, 2, 4], [GradientSumConfiguration.Algorithm.direct, .allReduce])
    func gradient(ranks: Int, algorithm: GradientSumConfiguration.Algorithm) throws {
        var run = ToyRun()
        run.exchange.algorithm = algorithm
        run.spoilt = run.samples(of: 2)[0]
        let place = ranks > 1 ? "at step 2 (that of rank 0) while" : "at step 2 while"
        for (text, unchanged) in try outcomes(run, ranks: ranks, failingAt: 2) {
            #expect(text.contains("the gradient is not finite \(place) the losses are"), "\(text)")
            #expect(unchanged)
        }
    }

    /// A run of one epoch, in which the images of some steps have targets far away.
    private func spiking(at steps: ClosedRange<Int>, _ action: SpikeGuard.Action) -> ToyRun {
        var run = ToyRun()
        (run.batch, run.imageCount) = (12, 12 * 80)
        run.rules = StepRules(spikeAction: action)
        for step in steps { for sample in run.samples(of: step) { run.targets[sample] = 1000 } }
        return run
    }

    @Test("an update that is a spike is left out, and the next is made", arguments: [1, 3])
    func skipped(ranks: Int) throws {
        let run = spiking(at: 60...61, .skip)
        for outcome in try run.train(steps: 63, ranks: ranks) {
            #expect(outcome.updates == 61)
            let left = outcome.steps.enumerated().filter { $0.element.spike != nil }.map { $0.offset + 1 }
            #expect(left == [60, 61])
            #expect(outcome.steps[59].spike?.hasPrefix("step 60 left out: ") == true)
        }
    }

    @Test("a spike stops the run where that is asked for, and the tenth in a row in any case")
    func stopped() throws {
        let first = try outcomes(spiking(at: 60...60, .stop), ranks: 2, failingAt: 60)
        #expect(first.allSatisfy { $0.text.contains("at step 60: training stopped") && $0.unchanged }, "\(first)")
        let tenth = try outcomes(spiking(at: 60...70, .skip), ranks: 2, failingAt: 69)
        #expect(tenth.allSatisfy { $0.text.contains("at step 69, the 10th in a row") }, "\(tenth)")
    }

    @Test("a rank that fails alone lets the others fail, and none waits for it", arguments: 0..<3)
    func lostRank(lost: Int) throws {
        struct Lost: Error {}
        var run = ToyRun()
        run.batch = 6
        let outcomes = InProcessWorld.outcomes(ranks: 3) { [run] communicator in
            let step = try run.step(on: communicator)
            for number in 1...5 {
                if communicator.rank == lost && number == 3 { throw Lost() }
                _ = try step.run(number, learningRate: run.rate)
            }
        }
        for (rank, outcome) in outcomes.enumerated() {
            let error = thrownError((any Error).self) { try outcome.get() }
            if rank == lost {
                #expect(error is Lost)
            } else {
                #expect(
                    (error as? CommunicationError)?.reason.contains("rank ") == true, "\(String(describing: error))")
            }
        }
    }
}
