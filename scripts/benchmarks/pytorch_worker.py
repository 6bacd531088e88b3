"""One process of the PyTorch side: does the task that its argument says, a JSON object; rank 0 prints the result."""
import json
import os
import re
import statistics
import sys
import time
from typing import Callable

OPTIONS = json.loads(sys.argv[1])
MODEL, RANKS, THREADS, BATCH = OPTIONS["model"], OPTIONS["ranks"], OPTIONS["threads"], OPTIONS.get("batch", 0)
RANK = int(os.environ.get("RANK", "0"))
if OPTIONS["bind"]:
    # Before torch starts threads, which inherit it.
    own = sorted(os.sched_getaffinity(0))[RANK * THREADS : (RANK + 1) * THREADS]
    os.sched_setaffinity(0, own or os.sched_getaffinity(0))

# pylint: disable=wrong-import-position, import-outside-toplevel
import torch
import torch.distributed
from pytorch_umae import Classifier, MaskedAutoencoder, image_size, uniformity


def adamw(model: torch.nn.Module, implementation: str) -> torch.optim.Optimizer:
    """AdamW as in the public code: no decay on biases, norms."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=1e-4, betas=(0.9, 0.95), **{implementation: True})


def median_seconds(step: Callable[[], object], warmup: int, count: int) -> float:
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


def replicated(model: torch.nn.Module) -> torch.nn.Module:
    """A replica of the model on every rank, whose gradients are averaged."""
    if RANKS == 1:
        return model
    torch.distributed.init_process_group("gloo")
    return torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)


def total_loss(model: torch.nn.Module, images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Reconstruction of a rank's images, and λ times the uniformity of all ranks'."""
    with torch.autocast("cpu", torch.bfloat16, enabled=OPTIONS["precision"] == "bf16"):
        loss, features = model(images, noise)
    return loss + MODEL["lamb"] * uniformity(features)


def random_batch(count: int, patches: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and noise."""
    return torch.randn(count, MODEL["in_chans"], *image_size(MODEL)), torch.rand(count, patches)


def optimizers() -> dict[str, float]:
    """Seconds of a step of each implementation of AdamW."""
    model = MaskedAutoencoder(MODEL)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)
    return {name: median_seconds(adamw(model, name).step, 2, 5) for name in ("fused", "foreach")}


def train() -> dict[str, float]:
    """Seconds of a training step: the slowest rank's median."""
    torch.manual_seed(0)
    model = MaskedAutoencoder(MODEL)
    optimizer = adamw(model, OPTIONS["optimizer"])
    trained = replicated(model)
    if OPTIONS["compiles"]:
        trained = torch.compile(trained)
    # The same images in each step: PyTorch has no data to prepare, where umae-dist crops and flips.
    images, _ = random_batch(BATCH // RANKS, model.patch_embed.num_patches)
    losses: list[float] = []

    def step() -> None:
        total = total_loss(trained, images, torch.rand(len(images), model.patch_embed.num_patches))
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total.item())

    return timed(step) | {"loss": losses[-1]}


def timed(step: Callable[[], object]) -> dict[str, float]:
    """What is said of a step: the slowest rank's median."""
    largest = torch.tensor([median_seconds(step, 3, OPTIONS["steps"]), peak_resident_bytes()], dtype=torch.float64)
    if RANKS > 1:
        torch.distributed.all_reduce(largest, torch.distributed.ReduceOp.MAX)
    seconds, memory = largest.tolist()
    return {"images_per_second": BATCH / seconds, "seconds_per_step": seconds, "peak_memory_bytes": int(memory),
            "torch": torch.__version__}


def features() -> dict[str, float]:
    """Seconds of the encoder on whole images. Weights are bf16 beforehand, where that is the precision."""
    if RANKS > 1:
        torch.distributed.init_process_group("gloo")
    kind = torch.bfloat16 if OPTIONS["precision"] == "bf16" else torch.float32
    model = Classifier(MODEL).to(kind).eval()
    if OPTIONS["compiles"]:
        model = torch.compile(model)
    images = torch.randn(BATCH // RANKS, MODEL["in_chans"], *image_size(MODEL)).to(kind)

    def step() -> None:
        with torch.inference_mode():
            model(images)

    return timed(step)


def finetune() -> dict[str, float]:
    """Seconds of a step of fine-tuning: smoothed labels of 1000 classes, branches dropped, AdamW."""
    torch.manual_seed(0)
    model = Classifier(MODEL, classes=1000, drop_path=0.1)
    optimizer = adamw(model, OPTIONS["optimizer"])
    trained = replicated(model)
    if OPTIONS["compiles"]:
        trained = torch.compile(trained)
    images = torch.randn(BATCH // RANKS, MODEL["in_chans"], *image_size(MODEL))
    labels = torch.randint(1000, (len(images),))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=OPTIONS["precision"] == "bf16"):
            logits = trained(images)
        torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=0.1).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return timed(step)


def write() -> dict[str, float]:
    """Random weights, biases and norms too, since a zero or a one would hide a mistake; images and noise."""
    from safetensors.torch import save_file
    torch.manual_seed(0)
    model = MaskedAutoencoder(MODEL)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    images, noise = random_batch(BATCH, model.patch_embed.num_patches)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, OPTIONS["weights"])
    save_file({"images": images, "noise": noise}, OPTIONS["images"])
    return {}


def compare() -> dict[str, float]:
    """Loss of the global batch that was written, and the relative error of the gradients in umae-dist's dump, all
    parameters as one vector."""
    from safetensors.torch import load_file
    model = MaskedAutoencoder(MODEL)
    model.load_state_dict(load_file(OPTIONS["weights"]))
    # Kept until backward is over: it is what averages the gradients.
    trained = replicated(model)
    batch = load_file(OPTIONS["images"])
    share = slice(RANK * BATCH // RANKS, (RANK + 1) * BATCH // RANKS)
    total = total_loss(trained, batch["images"][share], batch["noise"][share])
    total.backward()
    total = total.detach()
    if RANKS > 1:
        # All ranks have the same uniformity, and as many masked patches.
        torch.distributed.all_reduce(total)
    expected = load_file(OPTIONS["dump"])
    difference = norm = torch.zeros((), dtype=torch.float64)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad.double()
            difference = difference + (expected[f"grad.{name}"].double() - gradient).square().sum()
            norm = norm + gradient.square().sum()
    return {"loss": total.item() / RANKS, "gradient_error": (difference / norm).sqrt().item()}


torch.set_num_threads(THREADS)
RESULT = {task.__name__: task for task in (optimizers, train, features, finetune, write, compare)}[OPTIONS["task"]]()
if RANKS > 1:
    torch.distributed.destroy_process_group()
if RANK == 0:
    print(json.dumps(RESULT))
