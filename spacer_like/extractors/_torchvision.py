"""torchvision, also where its compiled operators do not load.

Beside a CPU build of torch the import of torchvision can fail with "operator torchvision::nms does not exist". Models
and transforms need none of these operators, so on exactly that error their names are made known to torch, and it is
imported again.
"""

from __future__ import annotations

import sys
from typing import Any

from spacer_like.exceptions import BrokenPackageError
from spacer_like.extras import import_extra

_OPERATORS = ("nms", "qnms")
_SCHEMA = "{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# A library of torch forgets its operators when it is collected.
_libraries: list[object] = []


def import_torchvision() -> Any:
    """The package torchvision.

    Raises:
        MissingExtraError: it is not installed.
        BrokenPackageError: it does not load.
    """
    try:
        return import_extra("torchvision", "This network", "torch")
    except BrokenPackageError as error:
        if "operator torchvision::nms does not exist" not in error.reason:
            raise
        _declare_operators()
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        return import_extra("torchvision", "This network", "torch")


def _declare_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _OPERATORS:
        library.define(_SCHEMA.format(name=name))  # type: ignore[no-untyped-call]
    _libraries.append(library)
