"""Whether both programs compute the same loss and gradient, before their speeds are compared."""
import pathlib
import re
import tempfile
from dataclasses import asdict

from cases import Shape
from ours import PROGRAM
from processes import Failed, run
from theirs import Setup, launch

SHAPE = Shape(32, 8, 3, 64, 3, 4, 48, 2, 3)
LOSS_TOLERANCE = 1e-5
# Larger than rounding, which is below 1e-6, and far below what a missing term makes.
GRADIENT_TOLERANCE = 1e-4


def check(python: str) -> list[str]:
    """Lines with the losses of the same weights, batch and noise; raises where the programs differ."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(pathlib.Path(folder) / f"{name}.safetensors") for name in ("weights", "images", "dump")}
        options = {"shape": asdict(SHAPE), "batch": 6, **files}
        launch(python, "pytorch_parity.py", {"task": "write", **options}, Setup("fp32", 1, 2))
        output = run([
            PROGRAM, "debug", "--weights", files["weights"], "--batch", files["images"], "--dump", files["dump"],
            "--precision", "fp32", "--lamb", "0.01", *SHAPE.flags(),
        ])
        found = re.search(r"^loss (\S+)", output)
        if not found:
            raise Failed(f"umae-dist debug said no loss: {output.strip()}")
        loss = float(found[1])
        lines = []
        for setup in (Setup("fp32", 1, 2), Setup("fp32", 2, 1)):
            theirs = launch(python, "pytorch_parity.py", {"task": "compare", "ranks": setup.ranks, **options}, setup)
            line = (
                f"same weights, batch and noise, fp32: loss {loss:.7f} in umae-dist, {theirs['loss']:.7f} in PyTorch "
                f"with {setup.ranks} rank{'s' if setup.ranks > 1 else ''}; gradients differ by "
                f"{theirs['gradient_error']:.1e}")
            # Written so that NaN fails.
            if not (abs(loss / theirs["loss"] - 1) <= LOSS_TOLERANCE and
                    theirs["gradient_error"] <= GRADIENT_TOLERANCE):
                raise Failed(f"the programs do not compute the same: {line}")
            lines.append(line)
        return lines
