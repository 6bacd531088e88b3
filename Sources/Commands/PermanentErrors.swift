internal import Communication
package import Models

// What was asked for cannot be: exit code 64.
extension ModelError: PermanentError {}
