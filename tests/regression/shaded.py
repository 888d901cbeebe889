"""Images that are easy to learn from: the more inclined a galaxy, the darker; others are striped."""

import numpy as np

from spacer_like.location import DataLocation
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.dataset import write_pool

SIZE = 20


def pool(count, seed, codes=(45, 50, 55, 60, 65, 70, 75, 80, 85, 90), size=SIZE, filters=("c", "g", "r", "i")):
    random = np.random.default_rng(seed)
    chosen = np.array(codes, np.int32)[random.integers(0, len(codes), count)]
    images = random.normal(0, 3, (count, size, size, 3)) + (250 - 2.3 * chosen)[:, None, None, None]
    images[chosen < 10, ::2] = 0
    ids = np.arange(count, dtype=np.int32) + 1000 * seed
    letters = np.array(filters)[np.arange(count) % len(filters)]
    return Pool(np.clip(images, 0, 255).astype(np.uint8), chosen, ids, letters)


def written(folder, name, made):
    loc = DataLocation("filesystem", str(folder / name))
    write_pool(loc, made)
    return loc
