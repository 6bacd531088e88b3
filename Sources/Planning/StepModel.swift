internal import Communication
package import DataParallel
package import Models
package import Regularizers
internal import Tensors

/// Predicts a training step: what a rank computes, what all ranks send, and how much of that computing hides.
package struct StepModel: Sendable {
    package struct Prediction: Equatable, Sendable {
        package let stepSeconds: Double
        /// What the step would take without messages.
        package let computeSeconds: Double
        /// What messages would take if nothing hid them.
        package let communicationSeconds: Double

        package var exposedSeconds: Double { stepSeconds - computeSeconds }
    }

    package let model: MaskedAutoencoderConfiguration
    /// In backward's order.
    package let gradientStages: [GradientStage]
    /// Of a rank's micro-batch.
    package var images = 1
    /// Micro-batches of an update.
    package var accumulation = 1
    /// Views of each image, of whose features each has an exchange.
    package var masksPerImage = 1
    /// Whether one exchange of features serves all micro-batches.
    package var spansMicroBatches = true
    /// Whether each is encoded once before that exchange, and once more after it.
    package var encodesTwice = false
    package var regularizer = RegularizerConfiguration()
    package var gradients = GradientSumConfiguration()
    /// Losses and flags that all ranks agree on before the update, in double precision.
    package var agreedFigures = 0

    package init(_ model: MaskedAutoencoderConfiguration, gradientStages: [GradientStage]) {
        self.model = model
        self.gradientStages = gradientStages
    }

    /// Looks at messages in a transformer block of forward, and in half a block of backward: `Team.meanwhile` is called at
    /// least between two operations.
    private static var looks: Int { 12 }

    package func predict(_ compute: ComputeCost, on cluster: Cluster) -> Prediction {
        let micro = compute.microBatch(images: images, encodesTwice: encodesTwice)
        let update = compute.update / (gradients.shardsOptimizer ? Double(cluster.ranks) : 1)
        let computing = Double(accumulation) * micro.seconds + update
        guard cluster.ranks > 1 else {
            return Prediction(stepSeconds: computing, computeSeconds: computing, communicationSeconds: 0)
        }
        var messages = MessageCosts(on: cluster)
        let exchanges = spansMicroBatches ? 1 : Double(accumulation)
        let masks = Double(masksPerImage)
        let regularizer = laidOut(ranks: cluster.ranks)
        let features = exchangeCosts(regularizer.exchanged, &messages)
        let followUp = masks * seconds(ofFollowUp: regularizer.followUp, &messages)
        let buckets = backwardAndBuckets(seconds: micro.backward, &messages)
        let weights = updateAndWeights(seconds: update, &messages)
        // Of parts of the gradient, ranks also add up the squared norms.
        let agreement =
            messages.smallSum(bytes: agreedFigures * MemoryLayout<Double>.stride)
            + (gradients.shardsOptimizer ? messages.smallSum(bytes: MemoryLayout<Double>.stride) : 0)
        func exposed(_ intervals: [Overlap.Interval]) -> Double {
            Overlap.exposedSeconds(intervals, window: cluster.windowSeconds)
        }
        return Prediction(
            stepSeconds: computing
                + (exchanges * (exposed(decoding(seconds: micro.forward, features)) + followUp) + exposed(buckets)
                    + exposed(weights) + agreement),
            computeSeconds: computing,
            communicationSeconds: exchanges * (masks * features.seconds + followUp)
                + (buckets + weights).reduce(0) { $0 + $1.posted.reduce(0) { $0 + $1.seconds } } + agreement)
    }

    // MARK: Gradients and weights

    /// Elements of each bucket, by the stage at whose end it leaves: every bucket's bytes of what is finished, and what is
    /// left with the last.
    package var bucketElements: [(stage: Int, elements: Int)] {
        var buckets: [(stage: Int, elements: Int)] = []
        let whole = max(gradients.bucketBytes / MemoryLayout<Float>.stride, 1)
        var waiting = 0
        for (index, stage) in gradientStages.enumerated() {
            waiting += stage.elements
            let isLast = index == gradientStages.count - 1
            while waiting >= whole || (isLast && waiting > 0) {
                buckets.append((index, min(waiting, whole)))
                waiting -= min(waiting, whole)
            }
        }
        return buckets
    }

    /// Backward of the last micro-batch, and the buckets that leave meanwhile.
    private func backwardAndBuckets(seconds: Double, _ messages: inout MessageCosts) -> [Overlap.Interval] {
        var intervals = gradientStages.map { Overlap.Interval(seconds: $0.share * seconds, looks: Self.looks) }
        let cluster = messages.cluster
        let hosts = HostLayout(ranks: cluster.ranks, hosts: cluster.nodes, ranksPerHost: cluster.ranksPerNode)
        let isDirect = gradients.resolvedAlgorithm(on: hosts) == .direct
        for (stage, elements) in bucketElements {
            guard !isDirect else {
                let half = messages.costs(of: .parts, bytes: elements * gradients.wire.byteCount)
                // Where weights are handed on in place of the sum, there is no second half.
                intervals[stage].posted.append(gradients.shardsOptimizer ? half : half + half)
                continue
            }
            let bytes = elements * MemoryLayout<Float>.stride
            let sum = Collective.sum(ranks: cluster.ranks, elements: elements, bytes: bytes)
            intervals[stage].posted.append(messages.costs(of: sum, bytes: bytes))
        }
        return intervals
    }

    /// The update of a rank's part of each bucket's weights, at whose end they leave for the others; none if each rank
    /// updates all.
    private func updateAndWeights(seconds: Double, _ messages: inout MessageCosts) -> [Overlap.Interval] {
        guard gradients.shardsOptimizer else { return [] }
        let buckets = bucketElements.map(\.elements)
        let all = Double(buckets.reduce(0, +))
        return buckets.map { elements in
            Overlap.Interval(
                seconds: seconds * Double(elements) / all,
                posted: [messages.costs(of: .parts, bytes: elements * MemoryLayout<Float>.stride)])
        }
    }

    // MARK: Features

    /// The decoder's forward pass, at whose beginning features leave.
    private func decoding(seconds: Double, _ features: [RoundCost]) -> [Overlap.Interval] {
        let flops = model.forwardFlops
        let blocks = (0..<model.decoderDepth).map { flops.decoderBlock + ($0 == 0 ? flops.decoderEmbed : 0) }
        return [Overlap.Interval(seconds: 0, posted: [[RoundCost]](repeating: features, count: masksPerImage))]
            + (blocks + [flops.decoderPred]).map {
                Overlap.Interval(seconds: $0 / flops.total(model) * seconds, looks: Self.looks)
            }
    }

    /// The regulariser of rank 0, laid out without memory: its messages say what they hold.
    private func laidOut(ranks: Int) -> any FeatureRegularizer {
        let spanned = spansMicroBatches ? images * accumulation : images
        return regularizer.makeRegularizer(
            of: FeatureBatch(
                rankCounts: [Int](repeating: spanned, count: ranks), rank: 0, microImages: images,
                width: model.embedDim), plan: MemoryPlan(isBacked: false))
    }

    private func exchangeCosts(_ exchange: RegularizerMessage, _ messages: inout MessageCosts) -> [RoundCost] {
        switch exchange {
        case .gather(let own, _): return messages.costs(of: .gather, bytes: own.byteCount)
        case .sum(let own, _):
            let sum = Collective.sum(ranks: messages.cluster.ranks, elements: own.count, bytes: own.byteCount)
            return messages.costs(of: sum, bytes: own.byteCount)
        }
    }

    /// Of a second message between the regulariser's loss and its gradient, which nothing hides.
    private func seconds(ofFollowUp followUp: RegularizerMessage?, _ messages: inout MessageCosts) -> Double {
        switch followUp {
        case .gather(let own, _): messages.costs(of: .gather, bytes: own.byteCount).seconds
        case .sum(let own, _): messages.smallSum(bytes: own.byteCount)
        case nil: 0
        }
    }
}
