package import ArgumentParser

/// One flag of parsed options and what it is there, so that no list of them has to be kept beside the options.
package struct FlagValue {
    /// Without its dashes: `input-size`.
    package let flag: String
    /// As it was given, or the default; nil if it was not given and has none.
    package let value: (any ExpressibleByArgument)?

    /// The text of which the parser makes the same value.
    package var text: String? { value?.defaultValueDescription }

    /// Every flag, in the order of `--help`.
    package static func all(in options: any ParsableArguments) -> [FlagValue] {
        Mirror(reflecting: options).children.flatMap { child -> [FlagValue] in
            guard let label = child.label, let wrapped = (child.value as? any ValueWrapper)?.anyValue else { return [] }
            if let group = wrapped as? any ParsableArguments { return all(in: group) }
            // The compiler stores `@Option var inputSize` as `_inputSize`.
            let flag = label.dropFirst().map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
            return [FlagValue(flag: flag, value: wrapped as? any ExpressibleByArgument)]
        }
    }

    /// The flags that are not what they are by default.
    package static func changed<Options: ParsableArguments>(in options: Options) -> [FlagValue] {
        guard let defaults = try? Options.parse([]) else { preconditionFailure("\(Options.self) must have defaults") }
        return zip(all(in: options), all(in: defaults)).filter { $0.text != $1.text }.map(\.0)
    }
}

/// What the parser keeps a value or a group of flags in.
private protocol ValueWrapper {
    var anyValue: Any { get }
}

extension Option: ValueWrapper {
    fileprivate var anyValue: Any { wrappedValue }
}

extension Flag: ValueWrapper {
    fileprivate var anyValue: Any { wrappedValue }
}

extension OptionGroup: ValueWrapper {
    fileprivate var anyValue: Any { wrappedValue }
}
