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
            return given, _version(given)
        except Failed as reason:
            raise Failed(f"--python {given} cannot import torch, timm and safetensors: {reason}") from None
    python = str(HOME / "bin/python")
    try:
        return python, _version(python)
    except Failed:
        print(f"making a Python environment with PyTorch in {HOME}: several GB, some minutes", flush=True)
    try:
        run([sys.executable, "-m", "venv", "--clear", str(HOME)], timeout=300)
        run([python, "-m", "pip", "install", "--quiet", *_torch(python), *PACKAGES], timeout=3600)
        return python, _version(python)
    except Failed as reason:
        return None, f"PyTorch could not be installed: {reason}"


def _version(python: str) -> str:
    return "PyTorch " + run([python, "-B", "-c", PROBE]).strip()


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
        versions = re.findall(r"[^\s,]+", listed.partition("Available versions:")[2].partition("\n")[0])
        newest = f"{versions[0].partition('+')[0]}+cpu" if versions else ""
        if newest not in versions:
            return ["torch", "torchvision"]
        wanted.append(f"{package}=={newest}")
    return wanted
