"""Networks run by ONNX Runtime, and the folder of their models.

A model is made once (`onnx_conversion`), checked against torch and kept under the hash of its weights, with the SHA-256
of its own bytes. A process that finds it there needs no torch. It is only used where nobody else can have put it there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.config import settings
from spacer_like.cores import thread_count
from spacer_like.exceptions import SpacerError
from spacer_like.extractors.networks import BatchesUnderWay
from spacer_like.extractors.preprocessing import PerChannel
from spacer_like.extras import import_accelerator, import_extra, import_if_installed
from spacer_like.location import DataLocation
from spacer_like.memory import return_freed_memory
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.storage.cache import file_hash
from spacer_like.storage.ownership import make_folder, why_not_ours

logger = logging.getLogger(__name__)

PIXELS, FEATURES = "pixels", "features"
# To be raised when a model is made in another way, so that none of the old ones is used.
_CONVERSION = 1
# On one core a batch of one is fastest: its layers stay in the core's cache.
_BATCH_SIZE = 1
_MODE_OF_FILE = 0o644
_PROCESSOR = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Recipe:
    """The inputs of a conversion, which determine the model.

    Attributes:
        network: the network's architecture and its version.
        weights: SHA-256 of its weights.
        image_size: width and height of the images in pixels.
        mean, scale: a pixel p enters the network as (p - mean) / scale, in each channel.
    """

    network: str
    weights: str
    image_size: int
    mean: PerChannel
    scale: PerChannel


class OnnxNetwork:
    """A model that ONNX Runtime runs on the CPU.

    As many batches as there are cores run at the same time, each on one core: that takes less time than all cores on
    one batch, since they never wait for each other.
    """

    def __init__(self, model: str | bytes) -> None:
        onnxruntime = _onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if not has_vnni():
            # Sums of products of whole numbers overflow there, unless slower instructions compute them.
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        # Optimising a model frees more than the model takes.
        return_freed_memory()

    def begin(self, patches: Sequence[NDArray[np.uint8]], batch_size: int) -> Callable[[], NDArray[np.float32]]:
        """See `Network`."""
        return BatchesUnderWay(self.run, patches, min(batch_size, _BATCH_SIZE), thread_count())

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The result for a batch uint8 [n, size, size, 3]."""
        return self.tensors(None, batch)[0]

    def tensors(self, names: Sequence[str] | None, batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Those outputs of the model that are named; None: all."""
        found: list[NDArray[np.float32]] = self._session.run(names, {PIXELS: batch})
        return found


@cache
def has_vnni() -> bool:
    """Whether the processor is known to have the instructions VNNI, by which whole numbers are faster than float32."""
    try:
        return "vnni" in _PROCESSOR.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def is_wanted() -> bool:
    """Whether ONNX Runtime can be used and the setting USE_ONNX allows it.

    Raises:
        BrokenPackageError: it is installed and does not load, and there is no torch to do its work.
    """
    if not settings().use_onnx:
        return False
    if find_spec("torch") is None:
        return import_if_installed("onnxruntime") is not None
    return import_accelerator("onnxruntime", "torch runs networks, which is slower") is not None


def kept_network(recipe: Recipe) -> OnnxNetwork | None:
    """The stored model of this recipe; None unless there is a complete one that only this user can write."""
    paths = [_model_path(recipe, folder) for folder in (models_folder(), _read_only_folder()) if folder is not None]
    return next((found for path in paths if (found := _kept_at(path, recipe))), None)


def _kept_at(path: Path, recipe: Recipe) -> OnnxNetwork | None:
    if not path.exists():
        return None
    if reason := why_not_ours(path) or why_not_ours(path.with_suffix(".json")):
        _warn(f"The model {path} is not used, because {reason}: it is made again in each process.")
        return None
    try:
        record = json.loads(read_bytes(DataLocation("filesystem", str(path.with_suffix(".json")))))
        if record.items() >= json.loads(json.dumps(asdict(recipe))).items() and record.get("sha256") == file_hash(path):
            return OnnxNetwork(str(path))
        logger.warning("The model %s is damaged and is made again.", path)
    except FileNotFoundError:
        pass
    # ONNX Runtime raises exceptions of its own for a model that it cannot load.
    except Exception as error:
        logger.warning("The model %s cannot be used and is made again: %s", path, error)
    return None


def keep(recipe: Recipe, model: bytes, max_relative_difference: float) -> None:
    """Store a checked model, unless the folder is unsafe: then it is converted again next time."""
    if (folder := models_folder()) is None:
        return
    path = _model_path(recipe, folder)
    record = {
        **asdict(recipe),
        "max_relative_difference": max_relative_difference,
        "sha256": hashlib.sha256(model).hexdigest(),
    }
    try:
        make_folder(path.parent)
        if reason := why_not_ours(path.parent):
            _warn(f"Models are not kept in {path.parent}, because {reason}.")
            return
        # The record last, because the model counts only with it.
        _write(path, model)
        _write(path.with_suffix(".json"), json.dumps(record).encode())
    except (OSError, SpacerError) as error:
        logger.info("The model could not be kept in %s: %s", path.parent, error)


def _write(path: Path, data: bytes) -> None:
    if path.is_symlink():
        # What it leads to is not to be replaced.
        path.unlink()
    write_bytes(DataLocation("filesystem", str(path)), data)
    path.chmod(_MODE_OF_FILE)


@cache
def _warn(sentence: str) -> None:
    """Log a warning, once in a process."""
    logger.warning("%s", sentence)


def _model_path(recipe: Recipe, folder: Path) -> Path:
    versions: list[Any] = [_CONVERSION, _onnxruntime().__version__, platform.machine()]
    key = hashlib.sha256(json.dumps([*versions, asdict(recipe)], sort_keys=True).encode()).hexdigest()
    return folder / f"{key[:40]}.onnx"


def _onnxruntime() -> Any:
    return import_extra("onnxruntime", "Running a converted network", "onnx")


def _read_only_folder() -> Path | None:
    return Path(configured) if (configured := settings().onnx_models_dir) else None


def models_folder() -> Path | None:
    """The folder of models; None where there is none."""
    if configured := settings().onnx_cache_dir:
        return Path(configured)
    if cache_home := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache_home) / "spacer_like" / "onnx"
    try:
        return Path.home() / ".cache" / "spacer_like" / "onnx"
    except RuntimeError:
        # A container's user may have no home.
        return None
