"""Training in Python as a contestant: pictures/s by turns.

--loop plain      what a careful person writes: pictures decoded once and kept small, bf16 autocast, channels last
--loop reference  what torchvision's reference script for classification does: a DataLoader whose workers decode each
                  picture in each epoch, fp32, the default layout
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

import peer

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH_SIZE = 64


class Kept(torch.utils.data.Dataset[Any]):
    """Pictures with a short side that is somewhat larger than the crops, decoded once."""

    def __init__(self, folder: Path, size: int, transform: v2.Compose) -> None:
        found = torchvision.datasets.ImageFolder(str(folder))
        shrink = v2.Resize(size * 11 // 8)
        self.samples = [(shrink(Image.open(path).convert("RGB")), label) for path, label in found.samples]
        self.transform = transform
        self.classes = found.classes

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture, label = self.samples[index]
        return self.transform(picture), label


def make_loader(data: Any, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    loader = torch.utils.data.DataLoader(
        data, BATCH_SIZE, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=True
    )
    return itertools.chain.from_iterable(itertools.repeat(loader))


def prepare(o: argparse.Namespace) -> tuple[str, peer.Turn]:
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    end = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    flip = v2.RandomHorizontalFlip()
    plain = o.loop == "plain"
    if plain:
        crop = v2.RandomResizedCrop(o.size, scale=(0.35, 1.0))
        data: Any = Kept(o.data, o.size, v2.Compose([crop, flip, v2.ColorJitter(0.2, 0.2, 0.2), *end]))
    else:
        transform = v2.Compose([v2.RandomResizedCrop(o.size), flip, *end])
        data = torchvision.datasets.ImageFolder(str(o.data), transform)
    module = torchvision.models.get_model(o.network, weights=None, num_classes=len(data.classes))
    if plain:
        module = module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, nesterov=plain, weight_decay=5e-4)
    batches = make_loader(data, o.threads)

    def step() -> None:
        pictures, labels = next(batches)
        if plain:
            pictures = pictures.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=plain):
            loss = F.cross_entropy(module(pictures).float(), labels, label_smoothing=0.1 if plain else 0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()

    def turn(seconds: float) -> dict[str, Any]:
        for _ in range(4):
            step()  # what the loader had ready
        start = time.perf_counter()
        steps, elapsed = 0, 0.0
        while elapsed < seconds:
            step()
            steps += 1
            elapsed = time.perf_counter() - start
        return {"pictures_per_s": steps * BATCH_SIZE / elapsed}

    module.train()
    step()
    return f"PyTorch {torch.__version__}, {'bf16 autocast, channels last' if plain else 'fp32'}", turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loop", choices=["plain", "reference"], required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with a sub-folder per class")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    peer.take_turns(lambda: prepare(o))


if __name__ == "__main__":
    main()
