"""What PyTorch needs to run at its best here: its packages, a fast allocator, and MKL's fast kernels on any CPU."""
import os
import pathlib
import shutil
import subprocess
import sys

from processes import Failed, run

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "umae-dist"
PACKAGES = ["torch", "torchvision", "timm", "safetensors", "numpy"]


def find_python(given: str | None) -> tuple[str | None, str]:
    """An interpreter with PyTorch and timm, made if need be; or None, and why there is none."""
    probe = "import torch, timm.models.vision_transformer, safetensors; print(torch.__version__)"
    if given:
        try:
            return given, "PyTorch " + run([given, "-c", probe]).strip()
        except (Failed, OSError) as reason:
            return None, f"{given} does not have {', '.join(PACKAGES)}: {reason}"
    home = CACHE / "pytorch"
    python = str(home / "bin/python")
    if not os.path.exists(python):
        print(f"making a Python environment with PyTorch in {home}: several GB, some minutes", flush=True)
        try:
            run([sys.executable, "-m", "venv", str(home)], timeout=300)
            run([python, "-m", "pip", "install", "--quiet", *PACKAGES], timeout=3600)
        except (Failed, OSError) as reason:
            shutil.rmtree(home, ignore_errors=True)
            return None, f"PyTorch could not be installed: {reason}"
    try:
        return python, "PyTorch " + run([python, "-c", probe]).strip()
    except Failed as reason:
        return None, f"the environment in {home} does not work, remove it and try again: {reason}"


def preloads() -> tuple[list[str], list[str]]:
    """Libraries to preload, and a line for each that says what it does or why it is missing."""
    paths: list[str] = []
    lines: list[str] = []
    allocator = _tcmalloc()
    if allocator:
        paths.append(allocator)
        lines.append("tcmalloc preloaded")
    else:
        lines.append("without tcmalloc: package libtcmalloc-minimal4 is missing and could not be installed")
    if "AuthenticAMD" in pathlib.Path("/proc/cpuinfo").read_text():
        library = _mkl_switch()
        if library:
            paths.append(library)
            lines.append("MKL told to use its AVX-512 kernels on AMD")
        else:
            lines.append("MKL left to its slower kernels on AMD: there is no C compiler")
    return paths, lines


def _tcmalloc() -> str | None:
    def find() -> str | None:
        for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"):
            for library in sorted(pathlib.Path(folder).glob("libtcmalloc*.so.4")):
                if "debug" not in library.name:
                    return str(library)
        return None

    if not find() and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(
            ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "libtcmalloc-minimal4"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    return find()


def _mkl_switch() -> str | None:
    """MKL asks this function of its own whether it runs on an Intel CPU; one that is loaded before it wins."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    library = CACHE / "libmklswitch.so"
    run([compiler, "-shared", "-fPIC", "-o", str(library), "-x", "c", str(pathlib.Path(__file__).parent / "mklswitch.c")])
    return str(library)
