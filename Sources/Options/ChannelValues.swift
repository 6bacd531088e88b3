internal import ArgumentParser
internal import Communication
internal import Host
package import ImageSources
internal import Settings
package import TrainingRuns

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
    /// What the values may be of images whose pixels are floats: those that divide, and are divided by, within 32 bits.
    static var floatMean: Limit<ChannelValues> { .each(.atLeast(-1e37), most: 1e37) }
    static var floatDeviation: Limit<ChannelValues> { .each(.atLeast(1e-37), most: 1e37) }

    /// Throws `SettingsError` if mean or deviation is given for another number of channels than the images have, or is none
    /// that their pixels can have.
    func checkStatistics(of source: any ImageSource) throws {
        for (flag, given, least) in [("--mean", mean, 0), ("--std", std, 1e-6)] {
            guard let values = given?.values else { continue }
            guard values.count == 1 || values.count == source.channels else {
                throw SettingsError(
                    "\(flag) has \(values.count) values, and the images have \(counted(source.channels, "channel")): "
                        + "give one for each, or one for all")
            }
            guard !source.isFloat, let value = values.first(where: { $0 < least || $0 > 1 }) else { continue }
            throw SettingsError(
                "\(flag) is \(value): it must be \(least == 0 ? "0" : "\(least)") to 1 for pixels that are bytes, which are scaled to 0 … 1"
            )
        }
    }

    /// Where mean and deviation of the pixels come from, in this order, if `configuration` is what a run begins with.
    package func originsOfStatistics(_ configuration: DataConfiguration, _ source: any ImageSource) -> [String] {
        let images = DataConfiguration.imagesOfStatistics(source)
        let computed = images == source.count ? "computed" : "computed from \(images) images"
        return [(mean, configuration.mean), (std, configuration.standardDeviation)].map { given, known in
            if given != nil { return "given" }
            return known == nil ? computed : "of the checkpoint"
        }
    }
}
