"""Print how accurate a classifier becomes with the number of labels: points drawn at random, and as they are suggested.

usage: python -m benchmarks.points.suggest FOLDER [PICTURE.png], where `spacer-like examples FOLDER` has written

Of each material a random half is held out; of the other half labels are asked for in steps, the first step at random,
and after each a logistic regression of the first 64 principal components is fitted anew. Materials: the labelled
example points; scikit-learn's 1,797 handwritten digits; and those with fewer and fewer of each class, as in surveys.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from benchmarks.points.dense import labelled_features
from spacer_like.drawing.figures import new_figure, write_figure
from spacer_like.extractors import EfficientNetLite0Extractor
from spacer_like.points.choosing import Candidates, farthest_first, most_uncertain, uncertainties

ORDERS = ("random", "margin", "entropy", "diversity", "both")
SIDE, TILES = 224, 100
STEPS = 12

Material = tuple[NDArray[np.float32], NDArray[np.str_]]


def digits() -> Material:
    """The features of scikit-learn's digits, each drawn as large as a patch."""
    found = load_digits()
    extractor, features = EfficientNetLite0Extractor(), []
    for begin in range(0, len(found.images), TILES):
        tiles = [
            np.asarray(Image.fromarray((15.9 * one).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            for one in found.images[begin : begin + TILES]
        ]
        strip = Image.fromarray(np.concatenate(tiles, axis=1)).convert("RGB")
        points = [(SIDE // 2, SIDE * at + SIDE // 2) for at in range(len(tiles))]
        features.append(extractor(strip, points).features.features)
    return np.concatenate(features).astype(np.float32), found.target.astype(str)


def long_tailed(material: Material) -> Material:
    """Of the k-th class a share of 1 / k ** 1.2, and eight at least."""
    vectors, labels = material
    rng = np.random.default_rng(0)
    kept = []
    for rank, label in enumerate(np.unique(labels), 1):
        there = rng.permutation(np.flatnonzero(labels == label))
        kept.append(there[: max(8, int(len(there) / rank**1.2))])
    rows = np.concatenate(kept)
    return vectors[rows], labels[rows]


def next_labels(
    order: str,
    vectors: NDArray[np.float32],
    probabilities: NDArray[np.float64],
    known: list[int],
    left: list[int],
    count: int,
) -> list[int]:
    """Which of the points that are left to label next."""
    uncertainty = uncertainties(probabilities, "entropy" if order == "entropy" else "margin")
    if order == "diversity":
        uncertainty = np.ones(len(left))
    candidates = Candidates(np.zeros(len(left), np.int64), np.array(left), uncertainty, vectors[left])
    if order in ("margin", "entropy"):
        found = most_uncertain(candidates, count, None)
    else:
        found, _ = farthest_first(candidates, vectors[known], count, None)
    return [left[at] for at in found]


def curve(order: str, material: Material, components: NDArray[np.float64], step: int, seed: int) -> list[float]:
    """The accuracy on the half that is held out, after each step."""
    vectors, labels = material
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    held_out, rest = shuffled[: len(labels) // 2], shuffled[len(labels) // 2 :].tolist()
    known: list[int] = []
    accuracies: list[float] = []
    probabilities = None
    for _ in range(STEPS):
        left = [at for at in rest if at not in set(known)]
        if order == "random" or probabilities is None:
            known += left[:step]
        else:
            known += next_labels(order, vectors, probabilities, known, left, step)
        left = [at for at in rest if at not in set(known)]
        if len(set(labels[known])) == 1 or not left:
            break
        model = LogisticRegression(max_iter=200).fit(components[known], labels[known])
        accuracies.append(float((model.predict(components[held_out]) == labels[held_out]).mean()))
        probabilities = model.predict_proba(components[left])
    return accuracies


def curves(material: Material, step: int, seeds: int) -> dict[str, NDArray[np.float64]]:
    """Of each order the accuracies [seeds, steps]."""
    components = PCA(64, random_state=0).fit_transform(material[0].astype(np.float64))
    components /= components.std()
    return {
        order: np.array([curve(order, material, components, step, seed) for seed in range(seeds)]) for order in ORDERS
    }


def show(name: str, found: dict[str, NDArray[np.float64]], step: int) -> None:
    counts = [step * (at + 1) for at in range(found["random"].shape[1])]
    print(f"\n{name}: accuracy with {', '.join(map(str, counts))} labels, mean of {len(found['random'])} halves")
    goal = found["random"].mean(axis=0)[-1]
    for order, accuracies in found.items():
        means = accuracies.mean(axis=0)
        gain = (accuracies - found["random"]).mean(axis=1)
        reached = next((count for count, mean in zip(counts, means, strict=True) if mean >= goal), None)
        print(
            f"{order:9} {' '.join(f'{mean:.3f}' for mean in means)}; over all steps {means.mean():.3f}, "
            f"{100 * gain.mean():+.1f} +- {100 * gain.std(ddof=1):.1f} points against random from half to half; "
            f"{goal:.3f} with {reached} labels"
        )


def draw(materials: dict[str, tuple[dict[str, NDArray[np.float64]], int]], path: str) -> None:
    """Draw the curves, a panel for each material, with the spread from half to half."""
    figure = new_figure(4.2 * len(materials), 3.6)
    figure.set_layout_engine("constrained")
    for panel, (name, (found, step)) in enumerate(materials.items(), 1):
        axes = figure.add_subplot(1, len(materials), panel)
        for order, accuracies in found.items():
            counts = step * np.arange(1, accuracies.shape[1] + 1)
            mean, spread = accuracies.mean(axis=0), accuracies.std(axis=0, ddof=1)
            (line,) = axes.plot(counts, mean, label=order, linestyle="--" if order == "random" else "-")
            if order in ("random", "both"):
                axes.fill_between(counts, mean - spread, mean + spread, color=line.get_color(), alpha=0.15, linewidth=0)
        axes.set(title=name, xlabel="labels", ylabel="accuracy" if panel == 1 else "")
    axes.legend(loc="lower right")
    write_figure(figure, Path(path), 110)


def main(arguments: Sequence[str]) -> None:
    folder, *pictures = arguments
    features, labels = labelled_features(EfficientNetLite0Extractor(), Path(folder))
    of_digits = digits()
    materials: dict[str, tuple[Material, int, int]] = {
        "267 example points, 8 classes": ((features.astype(np.float32), np.array(labels)), 10, 12),
        "1,797 digits, 10 equal classes": (of_digits, 20, 6),
        "digits, 10 classes of 178 to 11": (long_tailed(of_digits), 10, 12),
    }
    found = {}
    for name, (material, step, seeds) in materials.items():
        found[name] = curves(material, step, seeds), step
        show(name, *found[name])
    if pictures:
        draw(found, pictures[0])


if __name__ == "__main__":
    main(sys.argv[1:])
