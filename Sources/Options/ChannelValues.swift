internal import ArgumentParser
internal import Communication
internal import Host
package import ImageSources
package import Pretraining
internal import Settings

/// A number for each channel of an image, `0.485,0.456,0.406`, or one for all of them.
package struct ChannelValues: ExpressibleByArgument {
    package let values: [Double]

    package init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        values = numbers.compactMap { $0 }
        guard values.count == numbers.count else { return nil }
    }

    package var defaultValueDescription: String { values.map { "\($0)" }.joined(separator: ",") }

    /// As it would be given.
    static func text(_ values: [Float]?) -> String {
        values.map { $0.map { "\($0)" }.joined(separator: ",") } ?? "none"
    }

    /// The values for images of that many channels; as many as were given, if that was more than one.
    package func values(channels: Int) -> [Float] {
        (values.count == 1 ? [Double](repeating: values[0], count: channels) : values).map { Float($0) }
    }
}

extension Limit<ChannelValues> {
    static func each(_ lower: Bounds.Lower, most: Double) -> Limit {
        Limit { flag, channels in
            for value in channels.values { try Bounds.check(flag, value, lower, most: most) }
        }
    }
}

extension DataOptions {
    /// Throws `SettingsError` if mean or deviation is given for another number of channels than the images have.
    func checkStatistics(channels: Int) throws {
        for (flag, given) in [("--mean", mean), ("--std", std)] {
            guard let count = given?.values.count, count != 1, count != channels else { continue }
            throw SettingsError(
                "\(flag) has \(count) values, and the images have \(counted(channels, "channel")): "
                    + "give one for each, or one for all")
        }
    }

    /// Where mean and deviation of the pixels come from, in this order, if `configuration` is what a run begins with.
    package func originsOfStatistics(_ configuration: PretrainConfiguration, _ source: any ImageSource) -> [String] {
        let images = PretrainConfiguration.imagesOfStatistics(source)
        let computed = images == source.count ? "computed" : "computed from \(images) images"
        return [(mean, configuration.mean), (std, configuration.standardDeviation)].map { given, known in
            if given != nil { return "given" }
            return known == nil ? computed : "of the checkpoint"
        }
    }
}
