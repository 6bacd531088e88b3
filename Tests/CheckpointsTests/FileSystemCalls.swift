import Glibc

func makePipe(_ path: String) -> Bool { unsafe mkfifo(path, 0o600) == 0 }

func cut(_ path: String, to size: Int) -> Bool { unsafe truncate(path, size) == 0 }

func removeFile(_ path: String) -> Bool { unsafe unlink(path) == 0 }

func renameFile(_ old: String, _ new: String) -> Bool { unsafe rename(old, new) == 0 }

func killOwnProcess() { kill(getpid(), SIGKILL) }

/// From here on this process can make no file longer than `bytes`: writing more fails with EFBIG.
func limitFileSize(bytes: Int) -> Bool {
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
    return unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0
}
