"""What is measured: model shapes, batch and precision, the same for both programs."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A ViT masked autoencoder."""

    image: int
    patch: int
    channels: int
    width: int
    depth: int
    heads: int
    decoder_width: int
    decoder_depth: int
    decoder_heads: int
    mask_ratio: float = 0.75

    def flags(self) -> list[str]:
        """The shape as flags of umae-dist."""
        return [
            "--input-size", str(self.image), "--patch-size", str(self.patch), "--in-chans", str(self.channels),
            "--embed-dim", str(self.width), "--depth", str(self.depth), "--num-heads", str(self.heads),
            "--decoder-embed-dim", str(self.decoder_width), "--decoder-depth", str(self.decoder_depth),
            "--decoder-num-heads", str(self.decoder_heads), "--mask-ratio", str(self.mask_ratio),
        ]


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    title: str
    shape: Shape
    batch: int
    """Images of a step, over all ranks."""
    precisions: tuple[str, ...]
    """The one to measure, or several of which each program takes its best."""
    steps: int
    compares_memory: bool = False
    quick: bool = True
    """Whether `--quick` includes it."""
    layouts: tuple[tuple[int, int], ...] = ((2, 1), (1, 2))
    """Ranks and threads of each."""


BASE = Shape(224, 16, 3, 768, 12, 12, 512, 8, 16)
LARGE = Shape(224, 16, 3, 1024, 24, 16, 512, 8, 16)
TINY = Shape(32, 4, 3, 192, 12, 3, 192, 4, 3)
MICRO = Shape(28, 4, 1, 128, 6, 4, 64, 2, 4)

CASES = [
    Case("base-bf16", "ViT-B/16 bf16, batch 32", BASE, 32, ("bf16",), 4),
    Case("base-fp32", "ViT-B/16 fp32, batch 32", BASE, 32, ("fp32",), 3, quick=False),
    Case("large-bf16", "ViT-L/16 bf16, batch 16", LARGE, 16, ("bf16",), 3, quick=False),
    Case("tiny", "ViT-Tiny/4 32 px, batch 128", TINY, 128, ("bf16", "fp32"), 20),
    Case("micro", "micro 28 px, batch 256", MICRO, 256, ("bf16", "fp32"), 60),
    Case("memory", "ViT-B/16 bf16, batch 32, 1 rank: peak memory", BASE, 32, ("bf16",), 2, compares_memory=True,
         layouts=((1, 2),)),
]
