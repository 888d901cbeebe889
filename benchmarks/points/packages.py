"""Importing the same part of either package."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def part(package: str, name: str) -> Any:
    """The module `name` of ``spacer_like`` or of ``spacer``, PySpacer's package."""
    if package == "spacer" and name == "extractors":
        _declare_torchvision_operators()
    return import_module(f"{package}.{name}")


def _declare_torchvision_operators() -> None:
    # Beside a CPU build of torch, torchvision's compiled operators may not load; its import then fails for want of the
    # schemas of two that no network here uses.
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _kept.append(library)


# A library's schemas are gone once it is collected.
_kept: list[Any] = []
