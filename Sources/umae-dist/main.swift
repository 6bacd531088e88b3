import Communication
import Glibc
import Tensors

// A reader that goes away, such as `head`, must not end a training run.
signal(SIGPIPE, SIG_IGN)
// A file beyond the limit of file sizes (ulimit -f) is an error with a message, not the end.
signal(SIGXFSZ, SIG_IGN)
CrashSignals.endWhenSent()

do {
    let world = try Launcher.join()
    RefusedMemory.whenRefused { message in
        Console.error(world.size > 1 ? "rank \(world.rank): \(message)" : message)
        world.abort(exitCode: 1)
    }
    let code = Dispatcher(world: world).run(Array(CommandLine.arguments.dropFirst()))
    Launcher.leave(world)
    exit(code)
} catch {
    Console.error("\(error)")
    exit(1)
}
