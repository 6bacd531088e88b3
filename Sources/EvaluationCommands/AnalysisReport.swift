internal import Commands
internal import Evaluation
internal import Foundation
internal import Host

/// What people and programs read of analyses, checkpoints side by side.
struct AnalysisReport {
    private let analyses: [CheckpointAnalysis]

    init(_ analyses: [CheckpointAnalysis]) { self.analyses = analyses }

    private struct Figure {
        /// The column of analysis.csv.
        let key: String
        let name: String
        let value: (CheckpointAnalysis) -> Double?
        var digits = 4
    }

    private static var figures: [Figure] {
        [
            Figure(key: "rankme", name: "RankMe", value: \.raw.rankMe, digits: 2),
            Figure(key: "rankme_centred", name: "  of features less their mean", value: \.centred.rankMe, digits: 2),
            Figure(key: "participation_ratio", name: "participation ratio", value: \.raw.participationRatio, digits: 2),
            Figure(
                key: "participation_ratio_centred", name: "  of features less their mean",
                value: \.centred.participationRatio, digits: 2),
            Figure(key: "alpha", name: "α-ReQ, exponent of the eigenvalues", value: \.centred.powerLawExponent),
            Figure(key: "lidar", name: "LiDAR", value: \.lidar, digits: 2),
            Figure(
                key: "mean_squared_cosine", name: "mean squared cosine of two images", value: \.pairs.meanSquaredCosine),
            Figure(key: "uniformity", name: "uniformity, log of mean exp(-2d²)", value: \.pairs.uniformity),
            Figure(key: "class_cosine", name: "mean cosine within a class", value: \.pairs.classAlignment),
            Figure(key: "other_class_cosine", name: "  of two classes", value: \.pairs.otherClassCosine),
            Figure(key: "alignment", name: "alignment of two masks of an image", value: \.trained.alignment),
            Figure(key: "reconstruction", name: "reconstruction loss", value: \.trained.reconstruction),
            Figure(key: "whole_error", name: "linear error, whole images", value: \.wholeImageError),
            Figure(key: "labelling_error", name: "  masked images", value: \.trained.labellingError),
        ]
    }

    private static func text(_ value: Double?, digits: Int) -> String {
        value.map { String(format: "%.\(digits)f", $0) } ?? "-"
    }

    // MARK: Tables

    var text: String {
        var lines = [""]
        if analyses.count > 1 {
            for (index, analysis) in analyses.enumerated() {
                lines.append("\(Self.letter(index))  \(analysis.checkpoint), feature \(analysis.feature)")
            }
            lines.append("")
        }
        let first = analyses.count > 1 ? analyses.indices.map(Self.letter) : [analyses.first?.feature ?? ""]
        var rows = [["\(analyses.first?.images ?? 0) test images"] + first]
        for figure in Self.figures {
            rows.append([figure.name] + analyses.map { Self.text(figure.value($0), digits: figure.digits) })
        }
        lines += Self.aligned(rows)
        for (index, analysis) in analyses.enumerated() where !analysis.sweep.isEmpty {
            let name = analyses.count > 1 ? "\(Self.letter(index)), mask ratio" : "mask ratio"
            lines.append("")
            lines += Self.aligned(
                [[name, "alignment", "overlap", "linear error", "reconstruction"]]
                    + analysis.sweep.map {
                        [
                            String(format: "%g", $0.ratio), Self.text($0.alignment, digits: 4),
                            Self.text($0.overlap, digits: 4), Self.text($0.labellingError, digits: 4),
                            Self.text($0.reconstruction, digits: 4),
                        ]
                    })
        }
        return lines.joined(separator: "\n")
    }

    private static func letter(_ index: Int) -> String {
        index < 26 ? String(UnicodeScalar(UInt8(65 + index))) : "\(index + 1)"
    }

    /// The first column to the left, the others to the right.
    private static func aligned(_ rows: [[String]]) -> [String] {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + space : space + cell
            }.joined(separator: "  ")
        }
    }

    // MARK: Files

    func json() throws -> String { try JSONReport.text(analyses, usesSnakeCase: true) }

    func write(to directory: String) throws {
        try Directories.createAll(directory)
        let columns = ["checkpoint", "feature", "images"] + Self.figures.map(\.key)
        try write(
            [columns]
                + analyses.map { analysis in
                    [analysis.checkpoint, analysis.feature, "\(analysis.images)"]
                        + Self.figures.map { $0.value(analysis).map { "\($0)" } ?? "" }
                }, to: directory, "analysis.csv")
        try write(
            [["checkpoint", "mask_ratio", "alignment", "overlap", "labelling_error", "reconstruction"]]
                + analyses.flatMap { analysis in
                    analysis.sweep.map {
                        [
                            analysis.checkpoint, "\($0.ratio)", "\($0.alignment)", "\($0.overlap)",
                            $0.labellingError.map { "\($0)" } ?? "", "\($0.reconstruction)",
                        ]
                    }
                }, to: directory, "mask-ratios.csv")
        try write(
            [["checkpoint", "index", "raw", "centred"]]
                + analyses.flatMap { analysis in
                    zip(analysis.raw.singularValues, analysis.centred.singularValues).enumerated().map {
                        [analysis.checkpoint, "\($0 + 1)", "\($1.0)", "\($1.1)"]
                    }
                }, to: directory, "singular-values.csv")
        try TextFile.replace(Directories.child(directory, "analysis.json"), by: try json() + "\n")
    }

    private func write(_ rows: [[String]], to directory: String, _ name: String) throws {
        let lines = rows.map { row in
            row.map { cell in
                guard cell.contains(where: { ",\"\n".contains($0) }) else { return cell }
                return "\"\(cell.replacingOccurrences(of: "\"", with: "\"\""))\""
            }.joined(separator: ",")
        }
        try TextFile.replace(Directories.child(directory, name), by: lines.joined(separator: "\n") + "\n")
    }
}
