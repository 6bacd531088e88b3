internal import DataParallel
internal import Communication
internal import Optimization

extension TrainStep {
    /// Spikes one after another that are left out.
    private static var mostSkipped: Int { 10 }

    /// Why this update is left out, if it is. All ranks see the same figures and decide alike.
    func judge(_ outcome: StepOutcome<O.Figures>, step: Int) throws -> String? {
        guard rules.spikeAction != .none else { return nil }
        guard
            let spike = spikeGuard.judge(
                loss: pass.objective.loss(outcome.figures), gradientNorm: outcome.gradientNorm,
                threshold: rules.spikeThreshold)
        else { return nil }
        guard rules.spikeAction == .skip && spikeGuard.consecutive < Self.mostSkipped else {
            throw StepRefused(
                description: "the \(spike) at step \(step)"
                    + (rules.spikeAction == .skip ? ", the \(Self.mostSkipped)th in a row" : "")
                    + ": training stopped before the update; look at the data, lower --lr, or raise --spike-threshold")
        }
        return "step \(step) left out: \(spike)"
    }

    /// Names the ranks whose own part of the gradient is at fault. Collective.
    func nonFiniteGradient(step: Int) throws -> StepRefused {
        let suspects = pass.reducer.nonFiniteRanks
        let reports = try communicator.allGather(
            (0..<communicator.size).map { suspects.contains($0) ? 1 : 0 })
        let ranks = (0..<communicator.size).filter { rank in reports.contains { $0[rank] != 0 } }.map(String.init)
        let place = ranks.isEmpty ? "the sum of all ranks'" : "that of rank \(ranks.joined(separator: ", "))"
        return StepRefused(
            description: "the gradient is not finite at step \(step)"
                + (communicator.size > 1 ? " (\(place))" : "") + " while the losses are: training stopped before the "
                + "update; lower --lr, or set --clip-grad, and --resume auto from the last checkpoint")
    }

    /// Names the ranks, and their losses. Collective.
    ///
    /// - Parameter own: this rank's shares.
    func nonFiniteLoss(_ own: O.Figures, step: Int) throws -> StepRefused {
        var bad: [String] = []
        own.forEachLoss { name, value in
            if !value.isFinite { bad.append("\(name) is \(value.isNaN ? "not a number" : "infinite")") }
        }
        let reports = try communicator.allGather(Array(bad.joined(separator: ", ").utf8))
        let lines = reports.enumerated().filter { !$0.element.isEmpty }.map {
            "rank \($0.offset): \(String(decoding: $0.element, as: UTF8.self))"
        }
        return StepRefused(
            description: "a loss is not finite at step \(step) (\(lines.joined(separator: "; "))): training stopped "
                + "before the update; look at the data, lower --lr, or set --clip-grad")
    }
}
