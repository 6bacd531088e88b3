import Communication
import DataParallel
import ImageData
import Layers
import Tensors
import Training

/// A linear function of an image's pixels, trained on the sum of squares over the G images of an update,
///
///     1/2G · Σ (w·x + b − y)² + λ/2 · (1/G · Σ (w·x + b))²
///
/// whose second term asks for the predictions of all micro-batches before one of them is differentiated.
final class LeastSquares: Objective {
    struct Figures: StepFigures {
        var squares = 0.0
        var mean = 0.0

        mutating func combine(with other: Figures, _ body: (inout Double, Double) -> Void) {
            body(&squares, other.squares)
            body(&mean, other.mean)
        }

        func forEachLoss(_ body: (String, Double) -> Void) { body("squared error", squares) }
    }

    let parameters: ParameterSet
    let contexts: [LayerContext]
    let lambda: Double
    private let plan: BatchPlan
    private let target: @Sendable (Int) -> Float
    private let weight: Parameter
    private let bias: Parameter
    /// [images, 1], each of its own micro-batch.
    private let predictions: Matrix
    /// Σ (w·x + b), of this rank and of all.
    private let ownSum = MatrixView<Double>(rows: 1, columns: 1)
    private let sum: MatrixView<Double>
    private let exchange: FeatureExchange
    private var batch = Batch(images: Matrix(rows: 0, columns: 0), micro: 0)
    /// The number of an image whose gradient is spoilt, and not its loss.
    var spoilt: Int?

    init(
        pixels: Int, lambda: Double, batch plan: BatchPlan, communicator: any Communicator, team: Team,
        target: @escaping @Sendable (Int) -> Float
    ) {
        let memory = MemoryPlan()
        parameters = ParameterSet(
            [
                ParameterSpecification("weight", [1, pixels], .zeros), ParameterSpecification("bias", [1], .zeros),
            ], plan: memory)
        contexts = LayerContext.makeAll(team: team, maximumWidth: 1, scratchBytes: 0, plan: memory)
        self.lambda = lambda
        self.plan = plan
        self.target = target
        weight = parameters["weight"]
        bias = parameters["bias"]
        predictions = Matrix(rows: plan.largest(of: communicator.rank), columns: 1)
        sum = communicator.size > 1 ? MatrixView(rows: 1, columns: 1) : ownSum
        exchange = FeatureExchange(.sum(own: ownSum, all: sum), communicator)
    }

    var looksAhead: Bool { lambda != 0 }
    var messages: [any InFlight] { [exchange] }
    func take(_ batch: Batch) { self.batch = batch }

    func lookAhead(in context: LayerContext, _ messages: MessagePump) {
        predict(in: context)
        context.member.serially {
            if batch.micro == 0 { ownSum.clear() }
            for row in 0..<batch.count { ownSum[0, 0] += Double(predictions[row, 0]) }
            if batch.micro == plan.accumulation - 1 { messages.attempt { try exchange.start() } }
        }
    }

    func differentiate(in context: LayerContext, _ messages: MessagePump, done: (Range<Int>) -> Void) -> Figures {
        predict(in: context)
        var figures = Figures()
        context.member.serially {
            if looksAhead && batch.micro == 0 { messages.attempt { try exchange.finish() } }
            let common = lambda * sum[0, 0] / Double(plan.total)
            for row in 0..<batch.count {
                let sample = batch.samples[row, 0]
                let error = Double(predictions[row, 0] - target(sample))
                figures.squares += error * error
                figures.mean += Double(predictions[row, 0])
                // What backward starts from takes the place of what forward has found.
                predictions[row, 0] = sample == spoilt ? .infinity : Float((error + common) / Double(plan.total))
                bias.gradient[0, 0] += predictions[row, 0]
            }
            done(parameters.range(of: "bias"))
        }
        let keeps = context.addsToWeightGradients
        context.forEachChunk(of: weight.gradient.columns) { columns in
            for column in columns {
                let sum = (0..<batch.count).reduce(Float(0)) { $0 + predictions[$1, 0] * batch.images[$1, column] }
                weight.gradient[0, column] = (keeps ? weight.gradient[0, column] : 0) + sum
            }
        }
        // From the last to the first, in two parts.
        let middle = weight.gradient.columns / 2
        if context.member.isFirst {
            done(middle..<weight.gradient.columns)
            done(0..<middle)
        }
        return figures
    }

    func normalize(_ sums: inout Figures) {
        sums.squares /= 2 * Double(plan.total)
        sums.mean /= Double(plan.total)
    }

    func loss(_ figures: Figures) -> Double { figures.squares + lambda / 2 * figures.mean * figures.mean }

    private func predict(in context: LayerContext) {
        context.forEachChunk(of: batch.count) { rows in
            for row in rows {
                predictions[row, 0] = (0..<batch.images.columns).reduce(bias.value[0, 0]) {
                    $0 + weight.value[0, $1] * batch.images[row, $1]
                }
            }
        }
    }
}
