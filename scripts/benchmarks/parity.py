"""Whether both programs compute the same loss and gradient, before their speeds are compared."""
import pathlib
import re
import tempfile

from processes import Failed, run
from programs import INSTALLED, PROGRAM, Setup, launch

MODEL = ("--input-size 32 --patch-size 8 --in-chans 3 --embed-dim 64 --depth 3 --num-heads 4 --decoder-embed-dim 48 "
         "--decoder-depth 2 --decoder-num-heads 3").split()
LOSS_TOLERANCE = 1e-5
# Larger than rounding, which is below 1e-6, and far below what a missing term makes.
GRADIENT_TOLERANCE = 1e-4


def check(python: str) -> list[str]:
    """Lines with the losses of the same weights, batch and noise; raises where the programs differ."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(pathlib.Path(folder) / f"{name}.safetensors") for name in ("weights", "images", "dump")}
        alone = Setup(INSTALLED, "fp32", 1, 2)
        launch(python, "write", alone, MODEL, batch=6, **files)
        output = run([
            PROGRAM, "debug", "--weights", files["weights"], "--batch", files["images"], "--dump", files["dump"],
            "--precision", "fp32", *MODEL,
        ])
        found = re.search(r"^loss (\S+)", output)
        if not found:
            raise Failed(f"umae-dist debug said no loss: {output.strip()}")
        loss = float(found[1])
        lines = []
        for setup in (alone, Setup(INSTALLED, "fp32", 2, 1)):
            theirs = launch(python, "compare", setup, MODEL, batch=6, **files)
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
