"""Whether both programs compute the same loss, before their speeds are compared."""
import json
import pathlib
import re
import tempfile
from dataclasses import asdict

from cases import Shape
from ours import PROGRAM
from processes import Failed, run, run_json
from theirs import SCRIPT

SHAPE = Shape(32, 8, 3, 64, 3, 4, 48, 2, 3)


def check(python: str) -> str:
    """One line with both losses of the same weights and batch; raises where they differ."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(pathlib.Path(folder) / f"{name}.safetensors") for name in ("weights", "images", "dump")}
        options = {"task": "check", "shape": asdict(SHAPE), "batch": 6, **{k: files[k] for k in ("weights", "images")}}
        expected = run_json([python, "-B", SCRIPT, json.dumps(options)])["loss"]
        output = run([
            PROGRAM, "debug", "--weights", files["weights"], "--batch", files["images"], "--dump", files["dump"],
            "--precision", "fp32", "--lamb", "0.01", *SHAPE.flags(),
        ])
    found = re.search(r"loss\D*([0-9.]+(?:e-?[0-9]+)?)", output)
    if not found:
        raise Failed(f"umae-dist debug said no loss: {output.strip()}")
    loss = float(found[1])
    if abs(loss / expected - 1) > 1e-5:
        raise Failed(f"the losses of the same weights and batch differ: umae-dist {loss}, PyTorch {expected}")
    return f"same weights, same batch: loss {loss:.6f} here, {expected:.6f} in PyTorch"
