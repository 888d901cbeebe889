"""Extractors by short names: one spelling for messages' authors, commands and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from spacer_like.exceptions import SpacerInputError, nearest
from spacer_like.extractors.base import FeatureExtractor
from spacer_like.location import DataLocation

EXTRACTORS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lite0": ("spacer_like.extractors.efficientnet_lite.EfficientNetLite0Extractor", ()),
    "lite0-dense": ("spacer_like.extractors.dense.DenseLite0Extractor", ()),
    "lite2": ("spacer_like.extractors.efficientnet_lite.EfficientNetLite2Extractor", ()),
    "efficientnet-b0": ("spacer_like.extractors.efficientnet.EfficientNetExtractor", ("weights",)),
    "resnet50": ("spacer_like.extractors.resnet.ResNet50Extractor", ("weights",)),
    "vgg16": ("spacer_like.extractors.vgg16_caffe.VGG16CaffeExtractor", ("weights", "definition")),
    "band-statistics": ("spacer_like.extractors.band_extractors.BandStatisticsExtractor", ()),
    "random-features": ("spacer_like.extractors.band_extractors.RandomFeaturesExtractor", ()),
}
"""Name -> path of the class, and the files that it needs."""
WITHOUT_WEIGHTS = ("band-statistics", "random-features")
"""Those that take arguments after a colon."""
LIBRARIES = {
    "timm": "spacer_like.extractors.timm_extractor.TimmExtractor",
    "open_clip": "spacer_like.extractors.open_clip_extractor.OpenClipExtractor",
}
"""What stands before the colon of a library's network, and the path of the class."""


def described_extractor(name: str, files: Mapping[str, DataLocation]) -> dict[str, Any]:
    """The extractor of a name as a message carries it.

    Args:
        name: one of `EXTRACTORS`; ``timm:MODEL``, ``open_clip:MODEL`` or ``open_clip:MODEL:TAG``, where the tag is
            that of the weights; one of `WITHOUT_WEIGHTS` with arguments, as ``random-features:seed=1``; or the dotted
            path of a registered class.
        files: its files by their keys, where it needs any.

    Raises:
        SpacerInputError: an unknown name, or a file that is lacking or not asked for.

    >>> described_extractor("open_clip:ViT-B-32:openai", {"weights": DataLocation("memory", "w")})["pretrained"]
    'openai'
    >>> described_extractor("random-features:seed=3,value_range=0..4095", {})["value_range"]
    [0.0, 4095.0]
    """
    library, colon, model = name.partition(":")
    own: dict[str, Any] = {}
    needed: tuple[str, ...]
    if colon and library in LIBRARIES:
        class_path, needed = LIBRARIES[library], ("weights",)
        own = _of_library(name, library, model)
    elif name in EXTRACTORS or (colon and library in WITHOUT_WEIGHTS):
        class_path, needed = EXTRACTORS[library]
        own = _arguments(name, model) if colon else {}
    elif "." in name and not colon:
        class_path, needed = name, tuple(files)
    else:
        names = [*EXTRACTORS, *(f"{one}:MODEL" for one in LIBRARIES)]
        raise SpacerInputError(
            f"The extractor '{name}' is unknown: it must be one of {', '.join(names)}, or a class's dotted path."
            f"{nearest(name, names)}"
        )
    if missing := [file for file in needed if file not in files]:
        raise SpacerInputError(f"The extractor {name} needs --{missing[0]}, the path or URI of its file.")
    if surplus := [file for file in files if file not in needed]:
        raise SpacerInputError(f"The extractor {name} takes no --{surplus[0]}.")
    described: dict[str, Any] = {"class_path": class_path, **own}
    if files:
        described["data_locations"] = {file: place.serialize() for file, place in files.items()}
    return described


def extractor_named(name: str, weights_loc: DataLocation | None = None) -> FeatureExtractor:
    """The extractor of a name; see `described_extractor`, whose errors are these.

    >>> extractor_named("lite2").CROP_SIZE
    260
    """
    return FeatureExtractor.deserialize(
        described_extractor(name, {} if weights_loc is None else {"weights": weights_loc})
    )


def _of_library(name: str, library: str, model: str) -> dict[str, Any]:
    """The arguments after the colon."""
    model, colon, tag = model.partition(":") if library == "open_clip" else (model, "", "")
    if not model or (colon and not tag):
        example = {"timm": "timm:vit_small_patch14_dinov2", "open_clip": "open_clip:ViT-B-32:openai"}[library]
        raise SpacerInputError(f"The extractor '{name}' lacks a model: spell it as in {example}.")
    return {"model": model, **({"pretrained": tag} if tag else {})}


def _arguments(name: str, text: str) -> dict[str, Any]:
    """The arguments ``NAME=NUMBER,NAME=LOW..HIGH`` after the colon."""
    found: dict[str, Any] = {}
    for one in text.split(","):
        argument, equals, value = one.partition("=")
        numbers: list[float] = []
        with suppress(ValueError):
            numbers = [float(number) for number in value.split("..")]
        if not argument or not equals or not numbers:
            raise SpacerInputError(
                f"The extractor '{name}' has the argument '{one}': write arguments as in "
                "random-features:seed=1,value_range=0..4095."
            )
        whole = len(numbers) == 1 and value.isdecimal()
        found[argument] = int(value) if whole else numbers[0] if len(numbers) == 1 else numbers
    return found
