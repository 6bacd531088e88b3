/// Predicts a training step: what a rank computes, what all ranks send, and how much of that computing hides.
package struct StepModel: Sendable {
    /// A part of the gradient that backward finishes at once.
    package struct GradientStage: Equatable, Sendable {
        package var elements: Int
        /// Share of backward's time since the part before.
        package var share: Double

        package init(elements: Int, share: Double) {
            self.elements = elements
            self.share = share
        }
    }

    /// How gradients of all ranks are added.
    package struct GradientSum: Equatable, Sendable {
        /// Of each bucket, in fp32.
        package var bucketBytes: Int
        /// Whether every rank is sent its part by all others and hands the sum back (`--gradient-exchange direct`);
        /// otherwise MPI_Iallreduce.
        package var isDirect: Bool
        /// Of a number on its way.
        package var wireBytes: Int
        /// Whether every rank keeps the sum of its part, updates these weights and hands them on in place of the sum
        /// (`--shard-optimizer`); then it is direct.
        package var sharesUpdate: Bool

        package init(bucketBytes: Int, isDirect: Bool, wireBytes: Int = 4, sharesUpdate: Bool = false) {
            self.bucketBytes = bucketBytes
            self.isDirect = isDirect || sharesUpdate
            self.wireBytes = wireBytes
            self.sharesUpdate = sharesUpdate
        }
    }

    /// How the features of all ranks come together.
    package enum Exchange: Equatable, Sendable {
        /// Rows of every rank; the bytes of one rank.
        case gather(bytes: Int)
        /// A sum of this many numbers.
        case sum(elements: Int, bytesPerElement: Int)
    }

    /// A second message between the regulariser's loss and its gradient, which nothing hides.
    package enum FollowUp: Equatable, Sendable {
        case none, sum
        case gather(bytes: Int)
    }

    /// One update as a rank sees it.
    package struct Division: Equatable, Sendable {
        /// Of a rank's micro-batch.
        package var images: Int
        package var accumulation: Int
        /// Whether one exchange serves all micro-batches.
        package var spansMicroBatches: Bool
        /// Whether each is encoded once before that exchange, and once more after it.
        package var encodesTwice: Bool

        /// - Parameter encodesTwice: by default where one exchange serves all.
        package init(images: Int, accumulation: Int, spansMicroBatches: Bool, encodesTwice: Bool? = nil) {
            self.images = images
            self.accumulation = accumulation
            self.spansMicroBatches = spansMicroBatches
            self.encodesTwice = encodesTwice ?? spansMicroBatches
        }
    }

    package struct Prediction: Equatable, Sendable {
        package var stepSeconds: Double
        /// What the step would take without messages.
        package var computeSeconds: Double
        /// What messages would take if nothing hid them.
        package var communicationSeconds: Double

        package var exposedSeconds: Double { stepSeconds - computeSeconds }
    }

    /// In backward's order.
    package var gradientStages: [GradientStage]
    package var gradientSum: GradientSum
    /// Shares of a forward pass: each decoder block, and what comes before the first and after the last.
    package var decoderBlockShares: [Double]
    package var exchange: Exchange
    package var followUp: FollowUp

    package init(
        gradientStages: [GradientStage], gradientSum: GradientSum, decoderBlockShares: [Double], exchange: Exchange,
        followUp: FollowUp = .none
    ) {
        self.gradientStages = gradientStages
        self.gradientSum = gradientSum
        self.decoderBlockShares = decoderBlockShares
        self.exchange = exchange
        self.followUp = followUp
    }

    private static var bytesPerElement: Int { 4 }
    /// Losses and flags that all ranks agree on before the update, in double precision.
    private static var agreementBytes: Int { 48 }

    package func predict(_ division: Division, compute: ComputeCost, on cluster: Cluster) -> Prediction {
        let micro = compute.microBatch(images: division.images, encodesTwice: division.encodesTwice)
        let update = compute.update / (gradientSum.sharesUpdate ? Double(cluster.ranks) : 1)
        let computing = Double(division.accumulation) * micro.seconds + update
        guard cluster.ranks > 1 else {
            return Prediction(stepSeconds: computing, computeSeconds: computing, communicationSeconds: 0)
        }
        let exchanges = division.spansMicroBatches ? 1 : Double(division.accumulation)
        let features = exchangeCosts(on: cluster)
        let afterExchange = followUpSeconds(on: cluster)
        let buckets = self.buckets(backward: micro.backward, on: cluster)
        let weights = self.weights(update: update, on: cluster)
        // Of parts of the gradient, ranks also add up the squared norms.
        let agreement =
            smallSum(bytes: Self.agreementBytes, on: cluster)
            + (gradientSum.sharesUpdate ? smallSum(bytes: 8, on: cluster) : 0)
        let exposed =
            exchanges
            * (Overlap.exposedSeconds(decoding(features, forward: micro.forward), window: cluster.windowSeconds)
                + afterExchange)
            + Overlap.exposedSeconds(buckets, window: cluster.windowSeconds)
            + Overlap.exposedSeconds(weights, window: cluster.windowSeconds) + agreement
        let messages =
            exchanges * (Self.seconds(features) + afterExchange)
            + (buckets + weights).reduce(0) { $0 + $1.posted.reduce(0) { $0 + Self.seconds($1) } } + agreement
        return Prediction(
            stepSeconds: computing + exposed, computeSeconds: computing, communicationSeconds: messages)
    }

    /// Elements of each bucket, by the stage at whose end it leaves: every bucket's bytes of what is finished, and what is
    /// left with the last.
    package var bucketElements: [(stage: Int, elements: Int)] {
        var buckets: [(stage: Int, elements: Int)] = []
        var waiting = 0
        for (index, stage) in gradientStages.enumerated() {
            waiting += stage.elements
            let isLast = index == gradientStages.count - 1
            let whole = max(gradientSum.bucketBytes / Self.bytesPerElement, 1)
            while waiting >= whole || (isLast && waiting > 0) {
                buckets.append((index, min(waiting, whole)))
                waiting -= min(waiting, whole)
            }
        }
        return buckets
    }

    /// Backward of the last micro-batch, and the buckets that leave meanwhile.
    private func buckets(backward: Double, on cluster: Cluster) -> [Overlap.Interval] {
        var intervals = gradientStages.map {
            Overlap.Interval(seconds: $0.share * backward, looks: Self.looks)
        }
        var known: [SumAlgorithm: [CollectiveRound]] = [:]
        let direct = Array(
            DirectSum.rounds(ranks: cluster.ranks, ranksPerNode: cluster.ranksPerNode)
                .prefix(gradientSum.sharesUpdate ? 1 : 2))
        for (stage, elements) in bucketElements {
            guard !gradientSum.isDirect else {
                intervals[stage].posted.append(direct.costs(bytes: elements * gradientSum.wireBytes, on: cluster))
                continue
            }
            let algorithm = SumAlgorithm.nonBlocking(ranks: cluster.ranks, elements: elements)
            let rounds =
                known[algorithm] ?? algorithm.rounds(ranks: cluster.ranks, ranksPerNode: cluster.ranksPerNode)
            known[algorithm] = rounds
            intervals[stage].posted.append(rounds.costs(bytes: elements * Self.bytesPerElement, on: cluster))
        }
        return intervals
    }

    /// The update of a rank's part of each bucket's weights, at whose end they leave for the others; none if each rank
    /// updates all.
    private func weights(update: Double, on cluster: Cluster) -> [Overlap.Interval] {
        guard gradientSum.sharesUpdate else { return [] }
        let buckets = bucketElements.map(\.elements)
        let all = Double(buckets.reduce(0, +))
        let handOn = Array(DirectSum.rounds(ranks: cluster.ranks, ranksPerNode: cluster.ranksPerNode).suffix(1))
        return buckets.map { elements in
            Overlap.Interval(
                seconds: update * Double(elements) / all,
                posted: [handOn.costs(bytes: elements * Self.bytesPerElement, on: cluster)])
        }
    }

    /// Looks at messages in a transformer block of forward, and in half a block of backward: at least between two
    /// operations.
    private static var looks: Int { 12 }

    /// The decoder's forward pass, at whose beginning features leave.
    private func decoding(_ features: [RoundCost], forward: Double) -> [Overlap.Interval] {
        [Overlap.Interval(seconds: 0, posted: [features])]
            + decoderBlockShares.map { Overlap.Interval(seconds: $0 * forward, looks: Self.looks) }
    }

    private func exchangeCosts(on cluster: Cluster) -> [RoundCost] {
        switch exchange {
        case .gather(let bytes): gatherCosts(bytes: bytes, on: cluster)
        case .sum(let elements, let bytesPerElement):
            SumAlgorithm.nonBlocking(ranks: cluster.ranks, elements: elements, bytesPerElement: bytesPerElement)
                .rounds(ranks: cluster.ranks, ranksPerNode: cluster.ranksPerNode)
                .costs(bytes: elements * bytesPerElement, on: cluster)
        }
    }

    private func gatherCosts(bytes: Int, on cluster: Cluster) -> [RoundCost] {
        LinearGather.rounds(ranks: cluster.ranks, ranksPerNode: cluster.ranksPerNode).costs(bytes: bytes, on: cluster)
    }

    private func followUpSeconds(on cluster: Cluster) -> Double {
        switch followUp {
        case .none: 0
        case .sum: smallSum(bytes: 8, on: cluster)
        case .gather(let bytes): Self.seconds(gatherCosts(bytes: bytes, on: cluster))
        }
    }

    /// A sum that all ranks wait for.
    private func smallSum(bytes: Int, on cluster: Cluster) -> Double {
        Self.seconds(
            SumAlgorithm.blockingSmall(ranks: cluster.ranks)
                .rounds(ranks: cluster.ranks, ranksPerNode: cluster.ranksPerNode).costs(bytes: bytes, on: cluster))
    }

    private static func seconds(_ rounds: [RoundCost]) -> Double { rounds.reduce(0) { $0 + $1.seconds } }
}
