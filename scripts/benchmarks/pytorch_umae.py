"""U-MAE in PyTorch, from the published method: He et al. 2022 (MAE) and Zhang, Wang and Wang 2022 (U-MAE).

Tensor names are facebookresearch/mae's; blocks are timm's, whose attention is PyTorch's fused one.
"""
from functools import partial

import torch
import torch.distributed.nn
from timm.layers import PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import normalize


def image_size(model: dict) -> tuple[int, int]:
    """Height and width."""
    height, _, width = model["input_size"].partition("x")
    return int(height), int(width)


class MaskedAutoencoder(nn.Module):
    """Forward gives the reconstruction loss and the class feature of each image. `model` has settings of umae-dist."""

    def __init__(self, model: dict) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.patch, self.channels = model["patch_size"], model["in_chans"]
        width, decoder_width = model["embed_dim"], model["decoder_embed_dim"]
        self.patch_embed = PatchEmbed(image_size(model), self.patch, self.channels, width)
        patches = self.patch_embed.num_patches
        # As int(L * (1 - mask_ratio)) in the public code.
        self.kept = int(patches * (1 - model["mask_ratio"]))

        def fixed(width: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(1, 1 + patches, width) * 0.02, requires_grad=False)

        def blocks(depth: int, width: int, heads: int) -> nn.ModuleList:
            return nn.ModuleList(
                Block(width, heads, model["mlp_ratio"], qkv_bias=True, norm_layer=norm) for _ in range(depth))

        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = fixed(width)
        self.blocks = blocks(model["depth"], width, model["num_heads"])
        self.norm = norm(width)
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(torch.randn(1, 1, decoder_width) * 0.02)
        self.decoder_pos_embed = fixed(decoder_width)
        self.decoder_blocks = blocks(model["decoder_depth"], decoder_width, model["decoder_num_heads"])
        self.decoder_norm = norm(decoder_width)
        self.decoder_pred = nn.Linear(decoder_width, self.patch**2 * self.channels)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of `images` [N, C, H, W], masked by sorting `noise` [N, L]."""
        x = self.patch_embed(images) + self.pos_embed[:, 1:]
        count, patches, width = x.shape
        shuffle = noise.argsort(dim=1)
        restore = shuffle.argsort(dim=1)
        keep = shuffle[:, : self.kept]
        x = x.gather(1, keep[..., None].expand(-1, -1, width))
        mask = (restore >= self.kept).float()
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(count, -1, -1)
        x = torch.cat([cls, x], 1)
        for block in self.blocks:
            x = block(x)
        latent = self.norm(x)

        y = self.decoder_embed(latent)
        masked = self.mask_token.to(y.dtype).expand(count, patches - self.kept, -1)
        tokens = torch.cat([y[:, 1:], masked], 1).gather(1, restore[..., None].expand(-1, -1, y.shape[2]))
        y = torch.cat([y[:, :1], tokens], 1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            y = block(y)
        prediction = self.decoder_pred(self.decoder_norm(y))[:, 1:]

        p = self.patch
        grid = images.reshape(count, self.channels, images.shape[2] // p, p, images.shape[3] // p, p)
        target = torch.einsum("nchpwq->nhwpqc", grid).reshape(count, patches, -1)
        mean, variance = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
        target = (target - mean) / (variance + 1e-6) ** 0.5
        loss = ((prediction.float() - target) ** 2).mean(-1)
        # The public U-MAE code norms the class token a second time.
        return (loss * mask).sum() / mask.sum(), self.norm(latent[:, :1])[:, 0]


class Classifier(nn.Module):
    """The encoder on whole images: their features [N, D], or, fine-tuned, what classes they are [N, C].

    As facebookresearch/mae fine-tunes: the mean of the patch tokens through a norm, a linear layer, and branches that are
    dropped, more of them in later blocks.
    """

    def __init__(self, model: dict, classes: int = 0, drop_path: float = 0.0) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6)
        width, depth = model["embed_dim"], model["depth"]
        self.patch_embed = PatchEmbed(image_size(model), model["patch_size"], model["in_chans"], width)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + self.patch_embed.num_patches, width) * 0.02)
        self.blocks = nn.ModuleList(
            Block(width, model["num_heads"], model["mlp_ratio"], qkv_bias=True, norm_layer=norm,
                  drop_path=drop_path * index / max(depth - 1, 1)) for index in range(depth))
        self.norm = norm(width)
        self.head = nn.Linear(width, classes) if classes else None

    def forward(self, images: Tensor) -> Tensor:
        """Of `images` [N, C, H, W]."""
        x = self.patch_embed(images)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        if self.head is None:
            return self.norm(x)[:, 0]
        return self.head(self.norm(x[:, 1:].mean(1)))


def uniformity(features: Tensor) -> Tensor:
    """The mean squared similarity over all pairs of the global batch."""
    z = normalize(features.float())
    if torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
        z = torch.cat(torch.distributed.nn.functional.all_gather(z))
    return (z @ z.T).pow(2).mean()
