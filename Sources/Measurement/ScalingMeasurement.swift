package import Communication
package import Planning
package import Tensors
package import Pretraining
package import Runs
internal import TrainingRuns

/// Measures what a plan for other machines starts from.
package enum ScalingMeasurement {
    /// Steps of one size, on every rank by itself: no rank sends anything, but all begin their updates together, as
    /// after messages, and so share the memory's bandwidth in them. The slowest rank counts in each phase. Collective; every
    /// rank returns the same.
    package static func compute(
        _ configuration: PretrainConfiguration, images: Int, encodesTwice: Bool, steps: Int,
        computing: ComputeConfiguration, communicator: any Communicator, team: Team
    ) throws -> ComputeCost.Sample {
        var alone = configuration
        alone.accumulation = encodesTwice ? 2 : 1
        alone.effectiveBatchSize = images * alone.accumulation
        let result = try Benchmark(
            name: "", configuration: alone.step, steps: steps, warmupSteps: 1, compute: computing,
            neighbors: communicator
        ).run(on: RankResources(SingleProcess(inStepWith: communicator), team))
        var seconds = self.computing(in: result)
        try communicator.allReduce(&seconds, .maximum)
        return sample(of: result, seconds, encodesTwice: encodesTwice)
    }

    /// What `umae-dist bench --json` wrote elsewhere.
    package static func sample(from result: Benchmark.Result, encodesTwice: Bool) -> ComputeCost.Sample {
        sample(of: result, computing(in: result), encodesTwice: encodesTwice)
    }

    /// Seconds of a step in each phase but communication.
    private static func computing(in result: Benchmark.Result) -> [Double] {
        [PhaseClock.Phase.data, .forward, .backward, .optimizer].map { result.secondsPerPhase[$0.name] ?? 0 }
    }

    private static func sample(
        of result: Benchmark.Result, _ seconds: [Double], encodesTwice: Bool
    ) -> ComputeCost.Sample {
        let parts = seconds.map { $0 / Double(result.accumIter) }
        return ComputeCost.Sample(
            images: result.batchSizePerRank, encodesTwice: encodesTwice, data: parts[0], forward: parts[1],
            backward: parts[2], update: seconds[3])
    }

    /// A cluster's `rankBandwidth` and `messageOverhead` from sums over the ranks of this host, all of them at once and
    /// with nothing else to do; nil if there is but one rank, or if ranks are on several hosts.
    ///
    /// The time of a sum of a bucket's size, less that of its messages, is taken for what the busiest rank of each round
    /// takes in. Collective; every rank returns the same.
    package static func local(
        bucketBytes: Int, communicator: any Communicator
    ) throws -> (rankBandwidth: Double, messageOverhead: Double)? {
        let ranks = communicator.size
        guard ranks > 1 && communicator.localSize == ranks else { return nil }
        /// What the busiest ranks receive of the sum, in messages and in parts of it.
        func received(_ elements: Int) -> (messages: Double, share: Double) {
            let bytes = elements * MemoryLayout<Float>.stride
            let rounds = Collective.sum(ranks: ranks, elements: elements, bytes: bytes)
                .rounds(ranks: ranks, ranksPerNode: ranks)
            return rounds.reduce((0, 0)) { ($0.0 + Double($1.messages), $0.1 + $1.received) }
        }
        let overhead = try seconds(elements: 1, repeats: 101, communicator) / received(1).messages
        let elements = bucketBytes / MemoryLayout<Float>.stride
        let large = received(elements)
        let whole = try seconds(elements: elements, repeats: 11, communicator)
        let moving = max(whole - overhead * large.messages, whole / 100)
        return (large.share * Double(bucketBytes) / moving, overhead)
    }

    /// The median over the repeats of the slowest rank's time. Each repeat has other memory than the ones before it, as
    /// the buckets of a step have: caches keep none of it.
    private static func seconds(elements: Int, repeats: Int, _ communicator: any Communicator) throws -> Double {
        let parts = 8
        let send = Matrix(rows: parts, columns: elements)
        let receive = Matrix(rows: parts, columns: elements)
        let slot = CollectiveSlot()
        // Pages are there before they are timed.
        send.clear()
        receive.clear()
        var times: [Double] = []
        for index in 0..<repeats {
            let rows = index % parts..<index % parts + 1
            try communicator.barrier()
            let start = ContinuousClock.now
            try communicator.startAllReduce(send: send.rows(rows), receive: receive.rows(rows), in: slot)
            try slot.wait()
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        try communicator.allReduce(&times, .maximum)
        return times.sorted()[repeats / 2]
    }
}
