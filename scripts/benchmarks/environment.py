"""The Python environment of the PyTorch side."""
import os
import pathlib
import re
import sys

from processes import Failed, run

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "umae-dist"
HOME = CACHE / "bench-python"
# torchvision because timm imports it; transformers so that the environment also serves scripts/fixtures/parity.py.
PACKAGES = ["timm", "transformers", "numpy", "safetensors"]
PROBE = "import torch, timm.models.vision_transformer, safetensors.torch; print(torch.__version__)"


def find_python(given: str | None) -> tuple[str | None, str]:
    """An interpreter with PyTorch and timm, made if need be, and its version; or None, and why there is none.

    Raises `Failed` if the interpreter that was asked for does not serve.
    """
    if given:
        try:
            return given, "PyTorch " + run([given, "-B", "-c", PROBE]).strip()
        except (Failed, OSError) as reason:
            raise Failed(f"--python {given} cannot import torch, timm and safetensors: {reason}") from None
    python = str(HOME / "bin/python")
    version = _probe(python)
    if version:
        return python, version
    print(f"making a Python environment with PyTorch in {HOME}: several GB, some minutes", flush=True)
    try:
        run([sys.executable, "-m", "venv", "--clear", str(HOME)], timeout=300)
        run([python, "-m", "pip", "install", "--quiet", *_torch(python), *PACKAGES], timeout=3600)
    except (Failed, OSError) as reason:
        return None, f"PyTorch could not be installed: {reason}"
    version = _probe(python)
    return (python, version) if version else (None, f"PyTorch was installed in {HOME} but does not work")


def _probe(python: str) -> str | None:
    try:
        return "PyTorch " + run([python, "-B", "-c", PROBE]).strip()
    except (Failed, OSError):
        return None


def _torch(python: str) -> list[str]:
    """torch and torchvision: wheels for CPUs, which are smaller, if the index has the newest version as such.

    Not older ones: PyTorch is to be at its best, and wheels with CUDA compute on CPUs just the same.
    """
    wanted = []
    for package in ("torch", "torchvision"):
        try:
            listed = run([python, "-m", "pip", "index", "versions", package], timeout=300)
        except Failed:
            return ["torch", "torchvision"]
        found = re.search(r"Available versions:\s*(.*)", listed)
        versions = [version.strip() for version in found[1].split(",")] if found else []
        newest = versions[0].partition("+")[0] if versions else ""
        if f"{newest}+cpu" not in versions:
            return ["torch", "torchvision"]
        wanted.append(f"{package}=={newest}+cpu")
    return wanted
