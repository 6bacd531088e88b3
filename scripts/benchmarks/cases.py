"""What is measured: model, batch and precision, the same for both programs."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    title: str
    model: str
    """A preset of umae-dist."""
    batch: int
    """Images of a step, over all ranks."""
    precisions: tuple[str, ...]
    """The one to measure, or several of which each program takes its best."""
    steps: int
    channels: int = 3
    compares_memory: bool = False
    quick: bool = True
    """Whether `--quick` includes it."""
    work: str = "pretraining"
    """What is done with the images, in the words of `umae-dist bench --work`."""
    layouts: tuple[tuple[int, int], ...] = ((2, 1), (1, 2))
    """Ranks and threads of each."""

    @property
    def flags(self) -> list[str]:
        """The model as flags of umae-dist; its channels too, which a preset leaves to the data."""
        return ["--model", self.model, "--in-chans", str(self.channels)]


BASE, LARGE = "mae_vit_base_patch16", "mae_vit_large_patch16"
CASES = [
    Case("base-bf16", "ViT-B/16 bf16, batch 32", BASE, 32, ("bf16",), 4),
    Case("base-fp32", "ViT-B/16 fp32, batch 32", BASE, 32, ("fp32",), 3, quick=False),
    Case("large-bf16", "ViT-L/16 bf16, batch 16", LARGE, 16, ("bf16",), 3, quick=False),
    Case("tiny", "ViT-Tiny/4 32 px, batch 128", "mae_vit_tiny_patch4", 128, ("bf16", "fp32"), 20),
    Case("micro", "micro 28 px, batch 256", "mae_vit_micro_patch4", 256, ("bf16", "fp32"), 60, channels=1),
    Case("features", "ViT-B/16 bf16, features of whole images, 32 at a time", BASE, 32, ("bf16",), 6, work="features"),
    Case("fine-tuning", "ViT-B/16 bf16, fine-tuning, batch 32, 1000 classes", BASE, 32, ("bf16",), 3,
         work="fine-tuning"),
    Case("memory", "ViT-B/16 bf16, batch 32, 1 rank: peak memory", BASE, 32, ("bf16",), 2, compares_memory=True,
         layouts=((1, 2),)),
]
