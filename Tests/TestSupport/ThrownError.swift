/// The error of that type which `body` throws; nil if it throws none, or one of another type.
package func thrownError<Failure: Error, Result>(
    _ type: Failure.Type = Failure.self, by body: () throws -> Result
) -> Failure? {
    do {
        _ = try body()
        return nil
    } catch {
        return error as? Failure
    }
}
