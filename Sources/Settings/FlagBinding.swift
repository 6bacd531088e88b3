package import ArgumentParser

/// What a flag is to a configuration: what it may be, how it gets there, and how what is there reads in the flag's words.
/// So a flag that is declared in its group and bound in one line is checked, used, compared between ranks, and told when a
/// run that goes on has another than its checkpoint.
package struct FlagBinding<Options, Configuration> {
    let flag: String
    let check: (Options) throws -> Void
    let apply: (Options, inout Configuration) -> Void
    let text: (Configuration) -> String
    let decidesNumbers: (Configuration) -> Bool

    /// A flag whose value is one of the configuration's. Where it is not given, the configuration keeps its own.
    ///
    /// - Parameter decidesNumbers: see `ConfigurationSetting`.
    package init<Value: ExpressibleByArgument>(
        _ flag: String, _ option: @escaping (Options) -> Value?, _ place: WritableKeyPath<Configuration, Value>,
        _ limit: Limit<Value>? = nil, decidesNumbers: @escaping (Configuration) -> Bool = { _ in true }
    ) {
        self.init(
            flag, option, limit, decidesNumbers: decidesNumbers,
            apply: { options, configuration in
                if let value = option(options) { configuration[keyPath: place] = value }
            }, text: { $0[keyPath: place].defaultValueDescription })
    }

    /// A flag that the configuration has in another form.
    ///
    /// - Parameter apply: nothing where the value follows from more than this group.
    package init<Value>(
        _ flag: String, _ option: @escaping (Options) -> Value?, _ limit: Limit<Value>? = nil,
        decidesNumbers: @escaping (Configuration) -> Bool = { _ in true },
        apply: @escaping (Options, inout Configuration) -> Void = { _, _ in }, text: @escaping (Configuration) -> String
    ) {
        self.flag = flag
        self.decidesNumbers = decidesNumbers
        self.apply = apply
        self.text = text
        check = { options in
            if let limit, let value = option(options) { try limit.check(flag, value) }
        }
    }

    /// What has no flag of its own.
    package init(_ name: String, text: @escaping (Configuration) -> String) {
        self.init(name, { _ in String?.none }, text: text)
    }
}

/// A group of flags that make a configuration, or a part of one.
package protocol ConfiguringOptions: ParsableArguments {
    associatedtype Configuration

    /// In the order of `--help`.
    static var bindings: [FlagBinding<Self, Configuration>] { get }
}

extension ConfiguringOptions {
    /// Throws `ValidationError` that names the first flag which cannot be what it is.
    package func checkLimits() throws {
        for binding in Self.bindings { try binding.check(self) }
    }

    package func apply(to configuration: inout Configuration) {
        for binding in Self.bindings { binding.apply(self, &configuration) }
    }

    package static func settings(of configuration: Configuration) -> [ConfigurationSetting] {
        bindings.map {
            ConfigurationSetting(
                flag: $0.flag, value: $0.text(configuration), decidesNumbers: $0.decidesNumbers(configuration))
        }
    }
}
