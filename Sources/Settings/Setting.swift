internal import Communication
import Foundation

/// One flag as one layer gives it.
struct Setting {
    enum Value: Equatable {
        case text(String)
        case isOn(Bool)
        /// `none`: as if the flag had not been given in a more general layer either.
        case unset
    }

    let flag: FlagCatalog.Flag
    let value: Value
    /// Where a person finds it: `--lr`, `UMAE_LR`, or `r.yaml, line 3, 'lr'`.
    let origin: String

    /// - Parameters:
    ///   - name: as it is written, with underscores or dashes.
    ///   - text: the value as it is written; nil for a switch that is merely named.
    /// - Returns: nil if the command has no flag of that name.
    /// - Throws: `SettingsError` if a switch is neither switched on nor off.
    init?(
        named name: String, text: String?, origin: String, in catalog: FlagCatalog
    ) throws(SettingsError) {
        guard let (flag, isOff) = catalog.flag(named: name) else { return nil }
        self.flag = flag
        self.origin = origin
        guard flag.isSwitch else {
            let text = text ?? ""
            value = text == "none" && flag.canBeUnset ? .unset : .text(Self.expanded(text, of: flag))
            return
        }
        switch text?.lowercased() {
        case nil, "true", "yes", "on", "1": value = .isOn(!isOff)
        case "false", "no", "off", "0": value = .isOn(isOff)
        default:
            throw SettingsError("\(origin) is '\(text ?? "")': it must be true or false")
        }
    }

    /// The setting as arguments of the command line.
    var arguments: [String] {
        switch value {
        case .text(let text):
            // Joined, for a value may begin with a dash; apart, for one may begin with a mark that joins the sign before it.
            text.unicodeScalars.first == "-" ? ["--\(flag.name)=\(text)"] : ["--\(flag.name)", text]
        case .isOn(let isOn): [isOn ? "--\(flag.name)" : "--no-\(flag.name)"]
        case .unset: []
        }
    }

    /// A path's leading `~` is the home directory in recipes and variables too, where no shell makes it so.
    private static func expanded(_ text: String, of flag: FlagCatalog.Flag) -> String {
        guard flag.isPath, text == "~" || text.hasPrefix("~/") else { return text }
        return (ProcessInfo.processInfo.environment["HOME"] ?? NSHomeDirectory()) + text.dropFirst()
    }
}
