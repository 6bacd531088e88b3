"""How fast images are prepared for training, beside torchvision: see scripts/bench-data.

Every case runs in a process of its own on one core (torchvision's DataLoader on all of them), in turns, and is measured in
images per second over whole passes. A figure is the median of its turns; a ratio, of the ratios within a turn.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / ".build/release/umae-dist"


def theirs(kind, folder, size, seconds):
    """Images per second of torchvision, printed; runs in a process of its own."""
    import time

    import torch
    import torchvision
    from torchvision import transforms
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    if kind == "pil":
        transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(size, scale=(0.2, 1.0), interpolation=transforms.InterpolationMode.BICUBIC),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean, deviation),
            ]
        )
        data = torchvision.datasets.ImageFolder(folder, transform)
    else:
        transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.2, 1.0), interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(mean, deviation),
            ]
        )

        def load(path):
            return torchvision.io.decode_image(path, mode=torchvision.io.ImageReadMode.RGB)

        data = torchvision.datasets.ImageFolder(folder, transform, loader=load)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0)).tolist()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        data[order[count % len(order)]]
        count += 1
    print(count / (time.perf_counter() - start))


def loader(folder, size, workers, seconds):
    """The same with a DataLoader of so many workers."""
    import time

    import torch
    import torchvision
    from torchvision import transforms

    torch.set_num_threads(1)
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(size, scale=(0.2, 1.0), interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26)),
        ]
    )
    data = torchvision.datasets.ImageFolder(folder, transform)
    batches = iter(torch.utils.data.DataLoader(data, 128, shuffle=True, num_workers=workers, drop_last=True))
    next(batches)
    count, start = 0, time.perf_counter()
    for images, _ in batches:
        count += len(images)
        if time.perf_counter() - start > seconds:
            break
    print(count / (time.perf_counter() - start))


def run(command, core=None):
    bound = ["taskset", "-c", str(core)] if core is not None else []
    result = subprocess.run(bound + command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)}: {result.stderr.strip()[-400:]}")
    return result.stdout


def ours(path, size, seconds, workers=1, core=0):
    flags = ["--data-path", str(path), "--input-size", str(size), "--seconds", str(seconds), "--batch-size", "50"]
    text = run([str(PROGRAM), "data", *flags, "--num-workers", str(workers), "--cache-dir", "", "--json"], core)
    return json.loads(text)["images_per_second"]


def torchvision_rate(kind, folder, size, seconds, core=0):
    return float(run([sys.executable, __file__, "--one", kind, str(folder), str(size), str(seconds)], core))


def image_folder(images, place):
    """Files in one directory, as a folder of one class, which torchvision wants."""
    folder = pathlib.Path(place) / "imagenet"
    (folder / "all").mkdir(parents=True)
    for file in sorted(pathlib.Path(images).iterdir()):
        (folder / "all" / file.name).symlink_to(file.resolve())
    return folder


def report(name, turns, base):
    ratios = [turn["umae-dist"] / turn[base] for turn in turns]
    figures = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
    text = ", ".join(f"{key} {value:.0f}" for key, value in figures.items())
    print(f"{name}: {statistics.median(ratios):.2f}× {base} ({min(ratios):.2f}–{max(ratios):.2f}); images/s: {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imagenet", help="directory of photographs")
    parser.add_argument("--cifar", help="CIFAR-10 as a folder of classes")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, folder, size, seconds = arguments.one
        if kind.startswith("loader"):
            loader(folder, int(size), int(kind[len("loader"):]), float(seconds))
        else:
            theirs(kind, folder, int(size), float(seconds))
        return
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory() as place:
        if arguments.imagenet:
            folder = image_folder(arguments.imagenet, place)
            pack = pathlib.Path(place) / "pack"
            raw = pathlib.Path(place) / "raw"
            packing = [str(PROGRAM), "pack", "--data-path", str(folder), "--resize", "256", "--output-dir"]
            run([*packing, str(pack)])
            run([*packing, str(raw), "--encode", "raw"])
            jpeg, packed, pixels = [], [], []
            for _ in range(arguments.turns):
                pil = torchvision_rate("pil", folder, 224, seconds)
                io = torchvision_rate("io", folder, 224, seconds)
                jpeg.append({"umae-dist": ours(folder, 224, seconds), "torchvision + PIL": pil, "torchvision.io + v2": io})
                packed.append({"umae-dist": ours(pack, 224, seconds), "torchvision + PIL": pil})
                pixels.append({"umae-dist": ours(raw, 224, seconds), "torchvision + PIL": pil})
            report("ImageNet JPEG to 224, one core", jpeg, "torchvision + PIL")
            for turn in jpeg:
                turn["the faster"] = max(turn["torchvision + PIL"], turn["torchvision.io + v2"])
            report("ImageNet JPEG to 224, one core", jpeg, "the faster")
            report("packed at 256, against the JPEG files", packed, "torchvision + PIL")
            report("packed at 256, not encoded, against the JPEG files", pixels, "torchvision + PIL")
        if arguments.cifar:
            cores = os.cpu_count()
            turns = []
            for _ in range(arguments.turns):
                best = max(torchvision_rate(f"loader{n}", arguments.cifar, 32, seconds, None) for n in range(cores + 1))
                turns.append(
                    {"umae-dist": ours(arguments.cifar, 32, seconds, cores, None), "ImageFolder, best workers": best})
            report(f"CIFAR-10 folder to 32, {cores} cores", turns, "ImageFolder, best workers")


if __name__ == "__main__":
    main()
