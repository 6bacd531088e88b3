"""What makes PyTorch faster from outside: a fast allocator, MKL's fast kernels on any CPU, a compiler."""
import os
import pathlib
import re
import shutil

from environment import CACHE
from processes import Failed, run
from programs import SCRIPTS


def preloads() -> tuple[list[str], list[str]]:
    """Libraries to preload, and a line for each that says what it does or why it is missing."""
    paths: list[str] = []
    lines: list[str] = []
    allocator = _tcmalloc()
    if allocator:
        paths.append(allocator)
        lines.append("PyTorch, tuned: tcmalloc preloaded")
    else:
        lines.append("PyTorch, tuned: without tcmalloc, whose package libtcmalloc-minimal4 is not installed")
    if "AuthenticAMD" in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        try:
            paths.append(_mkl_switch())
            lines.append("PyTorch, tuned: MKL told to use its AVX2 and AVX-512 kernels on AMD")
        except Failed as reason:
            lines.append(f"PyTorch, tuned: MKL left to its slower kernels on AMD: {reason}")
    return paths, lines


def _tcmalloc() -> str | None:
    """Its path, installed if need be; the package has a second name on Debian and Ubuntu of 2024 and later."""
    for package in (None, "libtcmalloc-minimal4", "libtcmalloc-minimal4t64"):
        try:
            if package and shutil.which("apt-get") and os.geteuid() == 0:
                print(f"installing {package}", flush=True)
                run([str(SCRIPTS / "install-dependencies"), package])
            cache = run(["/sbin/ldconfig", "-p"])
        except Failed:
            continue
        # The one that does nothing but allocate first; the other can profile too.
        for name in ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4"):
            if found := re.search(rf"{re.escape(name)} .*=> (\S+)", cache):
                return found[1]
    return None


def _mkl_switch() -> str:
    """MKL asks this function of its own whether it runs on an Intel CPU; one that is loaded before it wins."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler:
        raise Failed("there is no C compiler")
    CACHE.mkdir(parents=True, exist_ok=True)
    library = CACHE / "libmklswitch.so"
    source = pathlib.Path(__file__).parent / "mklswitch.c"
    # Renamed into place: another run may be about to load it.
    unfinished = library.with_suffix(f".{os.getpid()}")
    run([compiler, "-shared", "-fPIC", "-o", str(unfinished), str(source)])
    unfinished.replace(library)
    return str(library)


def why_not_compile(python: str) -> str | None:
    """What torch.compile lacks here, if anything: its backend writes C++."""
    compiler = os.environ.get("CXX") or "g++"
    if not shutil.which(compiler):
        return f"{compiler} is not installed"
    headers = run([python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"]).strip()
    if not (pathlib.Path(headers) / "Python.h").exists():
        return f"{headers} has no Python.h (package python3-dev)"
    return None


def cores() -> list[int]:
    """Two CPUs that this program may use, on cores of their own where there are two such."""
    allowed = sorted(os.sched_getaffinity(0))
    by_core: dict[str, int] = {}
    for cpu in allowed:
        siblings = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        by_core.setdefault(siblings.read_text(encoding="utf-8") if siblings.exists() else str(cpu), cpu)
    chosen = list(by_core.values()) if len(by_core) >= 2 else allowed
    return chosen[:2]
