"""One process of the PyTorch side; arguments are one JSON object. Prints one JSON object on rank 0.

`{"task": "time", ...}` times training steps; `{"task": "check", ...}` writes weights and a batch and prints their loss.
"""
import contextlib
import json
import os
import resource
import statistics
import sys
import time

import torch
import torch.distributed
import torch.distributed.nn
from pytorch_umae import MaskedAutoencoder, uniformity

LAMB = 0.01


def check(options: dict) -> dict:
    """Random weights and images, kept as safetensors, and the losses of the pass."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = MaskedAutoencoder(options["shape"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    shape = options["shape"]
    images = torch.randn(options["batch"], shape["channels"], shape["image"], shape["image"])
    noise = torch.rand(options["batch"], model.patch_embed.num_patches)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, options["weights"])
    save_file({"images": images, "noise": noise}, options["images"])
    loss, features = model(images, noise)
    return {"loss": (loss + LAMB * uniformity(features)).item()}


def measure(options: dict) -> dict:
    """Seconds of a step: the slowest rank's median."""
    ranks = options["ranks"]
    torch.set_num_threads(options["threads"])
    if ranks > 1:
        torch.distributed.init_process_group("gloo")
    torch.manual_seed(0)
    model = MaskedAutoencoder(options["shape"])
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=1e-4,
        betas=(0.9, 0.95), fused=True)
    trained: torch.nn.Module = model
    if ranks > 1:
        trained = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    if options["compile"]:
        trained = torch.compile(trained)
    shape = options["shape"]
    count = options["batch"] // ranks
    images = torch.randn(count, shape["channels"], shape["image"], shape["image"])
    patches = model.patch_embed.num_patches

    def step() -> float:
        noise = torch.rand(count, patches)
        bf16 = options["precision"] == "bf16"
        with torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext():
            loss, features = trained(images, noise)
        total = loss + LAMB * uniformity(features)
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return total.item()

    for _ in range(3):
        loss = step()
    seconds = []
    for _ in range(options["steps"]):
        start = time.perf_counter()
        loss = step()
        seconds.append(time.perf_counter() - start)
    largest = torch.tensor([statistics.median(seconds), float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)])
    if ranks > 1:
        torch.distributed.all_reduce(largest, torch.distributed.ReduceOp.MAX)
        torch.distributed.destroy_process_group()
    return {
        "images_per_second": options["batch"] / largest[0].item(), "peak_memory_bytes": int(largest[1].item()) * 1024,
        "loss": loss, "torch": torch.__version__,
    }


def main() -> None:
    """Does the task and prints what came of it."""
    options = json.loads(sys.argv[1])
    result = check(options) if options["task"] == "check" else measure(options)
    if int(os.environ.get("RANK", "0")) == 0:
        print(json.dumps(result))


main()
