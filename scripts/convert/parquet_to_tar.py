#!/usr/bin/env python3
"""Writes images of Hugging Face parquet files into tar shards (WebDataset) for umae-dist.

    pip install pyarrow
    parquet_to_tar.py --output-dir imagenet-tar --prefix train data/train-*.parquet

Each row becomes KEY.jpg (or .png) with the bytes as they are, and KEY.cls with its label where there is one. Keys are
running numbers, so that the order is that of the rows. Shards are written under a temporary name and then renamed.
"""

import argparse
import io
import os
import sys
import tarfile

import pyarrow.parquet as parquet

SIGNATURES = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}


def suffix(image: bytes) -> str | None:
    return next((name for start, name in SIGNATURES.items() if image.startswith(start)), None)


def rows(paths: list[str], image: str, label: str):
    """Bytes and label (None without one) of each row, in order, a few rows in memory at a time."""
    for path in paths:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if image not in names:
            sys.exit(f"parquet_to_tar: {path}: has no column {image}, only {', '.join(names)}; name it with --image")
        columns = [image] + ([label] if label in names else [])
        for batch in file.iter_batches(batch_size=64, columns=columns):
            for row in batch.to_pylist():
                # Hugging Face keeps an image as {"bytes": …, "path": …}.
                content = row[image]["bytes"] if isinstance(row[image], dict) else row[image]
                yield path, content, row.get(label)


class Shards:
    """Tars of so many images each, one open at a time."""

    def __init__(self, directory: str, prefix: str, images_per_shard: int):
        self.directory, self.prefix, self.images_per_shard = directory, prefix, images_per_shard
        self.count, self.shard, self.tar = 0, 0, None
        os.makedirs(directory, exist_ok=True)

    def add(self, image: bytes, label: int | None):
        if self.tar is None:
            self.path = os.path.join(self.directory, f"{self.prefix}-{self.shard:06d}.tar")
            self.tar = tarfile.open(self.path + ".partial", "w", format=tarfile.USTAR_FORMAT)
        key = f"{self.count:09d}"
        self.member(f"{key}.{suffix(image)}", image)
        if label is not None:
            self.member(f"{key}.cls", str(label).encode())
        self.count += 1
        if self.count % self.images_per_shard == 0:
            self.finish()

    def member(self, name: str, content: bytes):
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self.tar.addfile(info, io.BytesIO(content))

    def finish(self):
        if self.tar is not None:
            self.tar.close()
            os.rename(self.path + ".partial", self.path)
            self.tar, self.shard = None, self.shard + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="parquet files, in the order of the images")
    parser.add_argument("--output-dir", required=True)
    parser.add_argument("--prefix", default="train", help="of the shards' names; 'val' for a validation set")
    parser.add_argument("--image", default="image", help="column of images")
    parser.add_argument("--label", default="label", help="column of labels; may be missing")
    parser.add_argument("--images-per-shard", type=int, default=10_000)
    options = parser.parse_args()
    shards = Shards(options.output_dir, options.prefix, options.images_per_shard)
    skipped = 0
    for path, image, label in rows(options.files, options.image, options.label):
        if image is None or suffix(image) is None:
            skipped += 1
            continue
        # -1 stands for no label in Hugging Face's test sets.
        if label is not None and (not isinstance(label, int) or label < -1):
            sys.exit(f"parquet_to_tar: {path}: the label {label!r} is no whole number; name the column with --label")
        shards.add(image, None if label == -1 else label)
    shards.finish()
    print(f"{shards.count} images in {shards.shard} shards of {options.output_dir}; {skipped} neither JPEG nor PNG")


if __name__ == "__main__":
    main()
