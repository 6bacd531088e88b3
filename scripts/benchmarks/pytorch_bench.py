"""One process of the PyTorch side; arguments are one JSON object. Prints one JSON object on rank 0.

`{"task": "train", ...}` times training steps, `{"task": "optimizers", ...}` AdamW alone in its implementations.
"""
import contextlib
import json
import os
import re
import statistics
import sys
import time
from typing import Callable

OPTIONS = json.loads(sys.argv[1])
if OPTIONS["bind"]:
    # Before torch starts threads, which inherit it.
    first = int(os.environ.get("LOCAL_RANK", "0")) * OPTIONS["threads"]
    own = sorted(os.sched_getaffinity(0))[first : first + OPTIONS["threads"]]
    os.sched_setaffinity(0, own or os.sched_getaffinity(0))

# pylint: disable=wrong-import-position
import torch
import torch.distributed
from pytorch_umae import LAMB, MaskedAutoencoder, uniformity


def adamw(model: torch.nn.Module, implementation: str) -> torch.optim.Optimizer:
    """AdamW as in the public code: no decay on biases, norms."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=1e-4, betas=(0.9, 0.95), **{implementation: True})


def median_seconds(step: Callable[[], None], warmup: int, count: int) -> float:
    """Of `count` calls after `warmup` others."""
    for _ in range(warmup):
        step()
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peak_resident_bytes() -> float:
    """VmHWM, as umae-dist reports it."""
    with open("/proc/self/status", encoding="utf-8") as status:
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read())
    return float(found[1]) * 1024 if found else 0.0


def optimizers() -> dict[str, float]:
    """Seconds of a step of each implementation on the case's model."""
    model = MaskedAutoencoder(OPTIONS["shape"])
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)
    return {name: median_seconds(adamw(model, name).step, 2, 5) for name in ("fused", "foreach")}


def train() -> dict[str, float | str]:
    """Seconds of a step: the slowest rank's median."""
    ranks = OPTIONS["ranks"]
    if ranks > 1:
        torch.distributed.init_process_group("gloo")
    torch.manual_seed(0)
    model = MaskedAutoencoder(OPTIONS["shape"])
    optimizer = adamw(model, OPTIONS["optimizer"])
    trained: torch.nn.Module = model
    if ranks > 1:
        trained = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    if OPTIONS["compile"]:
        trained = torch.compile(trained)
    shape = OPTIONS["shape"]
    count = OPTIONS["batch"] // ranks
    # The same images in each step: PyTorch has no data to prepare, where umae-dist crops and flips.
    images = torch.randn(count, shape["channels"], shape["image"], shape["image"])
    patches = model.patch_embed.num_patches
    bf16 = OPTIONS["precision"] == "bf16"
    losses: list[float] = []

    def step() -> None:
        noise = torch.rand(count, patches)
        with torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext():
            loss, features = trained(images, noise)
        total = loss + LAMB * uniformity(features)
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total.item())

    largest = torch.tensor([median_seconds(step, 3, OPTIONS["steps"]), peak_resident_bytes()], dtype=torch.float64)
    if ranks > 1:
        torch.distributed.all_reduce(largest, torch.distributed.ReduceOp.MAX)
        torch.distributed.destroy_process_group()
    return {
        "images_per_second": OPTIONS["batch"] / largest[0].item(), "seconds_per_step": largest[0].item(),
        "peak_memory_bytes": int(largest[1].item()), "loss": losses[-1], "torch": torch.__version__,
    }


def main() -> None:
    """Does the task and prints what came of it."""
    torch.set_num_threads(OPTIONS["threads"])
    result = optimizers() if OPTIONS["task"] == "optimizers" else train()
    if int(os.environ.get("RANK", "0")) == 0:
        print(json.dumps(result))


main()
