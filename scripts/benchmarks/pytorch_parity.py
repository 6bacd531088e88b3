"""The PyTorch side of the parity check; arguments are one JSON object. Prints one JSON object on rank 0.

`{"task": "write", ...}` writes weights and a batch; `{"task": "compare", ...}` computes their loss, and the error of
umae-dist's gradients in its dump.
"""
import json
import os
import sys

import torch
import torch.distributed
from pytorch_umae import LAMB, MaskedAutoencoder, uniformity
from safetensors.torch import load_file, save_file


def write(options: dict) -> dict:
    """Random weights, biases and norms too, since a zero or a one would hide a mistake; images and noise."""
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
    return {}


def compare(options: dict) -> dict:
    """Loss of the global batch, and the relative error of the gradients, all parameters as one vector."""
    ranks, rank = options["ranks"], int(os.environ.get("RANK", "0"))
    if ranks > 1:
        torch.distributed.init_process_group("gloo")
    model = MaskedAutoencoder(options["shape"])
    model.load_state_dict(load_file(options["weights"]))
    trained: torch.nn.Module = torch.nn.parallel.DistributedDataParallel(model) if ranks > 1 else model
    batch = load_file(options["images"])
    share = slice(rank * options["batch"] // ranks, (rank + 1) * options["batch"] // ranks)
    loss, features = trained(batch["images"][share], batch["noise"][share])
    total = loss + LAMB * uniformity(features)
    total.backward()
    total = total.detach()
    if ranks > 1:
        # All ranks have the same uniformity, and as many masked patches.
        torch.distributed.all_reduce(total)
        torch.distributed.destroy_process_group()
    expected = load_file(options["dump"])
    difference = norm = torch.zeros((), dtype=torch.float64)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad.double()
            difference = difference + (expected[f"grad.{name}"].double() - gradient).square().sum()
            norm = norm + gradient.square().sum()
    return {"loss": total.item() / ranks, "gradient_error": (difference / norm).sqrt().item()}


def main() -> None:
    """Does the task and prints what came of it."""
    options = json.loads(sys.argv[1])
    result = write(options) if options["task"] == "write" else compare(options)
    if int(os.environ.get("RANK", "0")) == 0:
        print(json.dumps(result))


main()
