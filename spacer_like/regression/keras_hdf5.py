"""Layers in HDF5 files of Keras, read in a process of its own.

The library HDF5 does not return from some damaged files, and others end it. A child process with limits reads the file,
and only what lies in the file itself, whole, in one piece, as Keras writes it, or in chunks, as other programs do, and
not compressed: such files can point at others, and promise shapes that they do not hold.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.exceptions import reason_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHILD = "from spacer_like.regression.keras_hdf5 import answer; answer()"
_CPU_SECONDS, _SECONDS = 3, 60
# The process itself takes one, of addresses more than of memory.
_ADDRESS_BYTES = 4 * 2**30
_BYTES_PER_SECOND = 2**25
_MOST_LAYERS = 1000


class StoredLayer(NamedTuple):
    """A layer as it is stored.

    Fields:
        name: as the file calls it.
        arrays: in the order of the file.
    """

    name: str
    arrays: tuple[NDArray[Any], ...]


def stored_layers(data: bytes) -> tuple[list[StoredLayer], str]:
    """The layers with weights in an HDF5 file of Keras 2 or 3, each kind in its order, and the model's JSON or "".

    Raises:
        ValueError: no such file, or a damaged one; in words that can follow a colon.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = [sys.executable, "-c", _CHILD]
    seconds = len(data) // _BYTES_PER_SECOND + _SECONDS
    try:
        ended = subprocess.run(child, input=data, capture_output=True, env=environment, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError(f"the library HDF5 does not read it within {seconds} seconds") from None
    if ended.returncode:
        raise ValueError(f"the library HDF5 ends or does not return when it reads it ({_how(ended.returncode)})")
    header, _, numbers = ended.stdout.partition(b"\n")
    said = json.loads(header)
    if "fault" in said:
        raise ValueError(said["fault"])
    layers, position = [], 0
    for name, described in said["layers"]:
        arrays = []
        for dtype, shape in described:
            array = np.frombuffer(numbers, dtype, math.prod(shape), position).reshape(shape)
            position += array.nbytes
            arrays.append(array)
        layers.append(StoredLayer(name, tuple(arrays)))
    return layers, said["config"]


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def answer() -> None:
    """In the child: read a file from the standard input, and write its layers, or what is wrong with it."""
    data = sys.stdin.buffer.read()
    _limit(len(data))
    try:
        layers, config = _read(data)
    except Exception as error:
        sys.stdout.write(json.dumps({"fault": reason_of(error)}) + "\n")
        return
    described = [[one.name, [[array.dtype.str, array.shape] for array in one.arrays]] for one in layers]
    sys.stdout.write(json.dumps({"layers": described, "config": config}) + "\n")
    sys.stdout.flush()
    for layer in layers:
        for array in layer.arrays:
            sys.stdout.buffer.write(array.tobytes())


def _limit(n_bytes: int) -> None:
    """Bound what the process may take for a file of so many bytes."""
    import resource

    limits = {
        resource.RLIMIT_CPU: n_bytes // _BYTES_PER_SECOND + _CPU_SECONDS,
        resource.RLIMIT_AS: 4 * n_bytes + _ADDRESS_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        before = resource.getrlimit(kind)[1]
        limit = limit if before == resource.RLIM_INFINITY else min(limit, before)
        resource.setrlimit(kind, (limit, limit))


def _read(data: bytes) -> tuple[list[StoredLayer], str]:
    import h5py

    with h5py.File(h5py.h5f.open_file_image(data)) as root:
        source = _Hdf5(h5py, len(data))
        model = source.inside(root, "model_weights") if "model_weights" in root else root
        if "layer_names" in model.attrs:
            config = source.text(root, "model_config") if "model_config" in root.attrs else ""
            return _layers_by_names(source, model), config
        for path in ("layers", "_layer_checkpoint_dependencies"):
            if path in root:
                return _numbered_layers(source, source.inside(root, path)), ""
    raise ValueError("it has no layers")


def _layers_by_names(source: _Hdf5, model: Any) -> list[StoredLayer]:
    """The layers of Keras 2, whose names and those of whose weights are listed."""
    found = []
    for name in source.texts(model, "layer_names"):
        group = source.inside(model, name)
        paths = source.texts(group, "weight_names")
        if paths:
            found.append(StoredLayer(name, tuple(source.numbers(group, path) for path in paths)))
    return found


def _numbered_layers(source: _Hdf5, group: Any) -> list[StoredLayer]:
    """The layers of Keras 3, which are called by their class, and a number from the second one on."""
    if len(group) > _MOST_LAYERS:
        raise ValueError(f"it has more than {_MOST_LAYERS} layers")
    found = []
    for name in sorted(group, key=_counted):
        variables = source.inside(source.inside(group, name), "vars")
        if len(variables) > _MOST_LAYERS:
            raise ValueError(f"the layer {name} has more than {_MOST_LAYERS} weights")
        if len(variables):
            arrays = tuple(source.numbers(variables, str(number)) for number in range(len(variables)))
            found.append(StoredLayer(name, arrays))
    return found


def _counted(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", name, re.DOTALL)
    return (match[1], int(match[2] or 0)) if match else (name, 0)


class _Hdf5:
    """Reads what lies in a file itself.

    Args:
        h5py: the package.
        n_bytes: of the file; all that is read together takes no more.
    """

    def __init__(self, h5py: Any, n_bytes: int) -> None:
        self._h5py = h5py
        self._n_bytes = self._n_left = n_bytes

    def inside(self, group: Any, path: str) -> Any:
        """The group or the numbers at a path."""
        found = group
        for part in filter(None, path.split("/")):
            link = found.get(part, getlink=True) if isinstance(found, self._h5py.Group) else None
            if not isinstance(link, self._h5py.HardLink):
                raise ValueError(f"it lacks {path[:200]}, or has a link in its place")
            found = found[part]
        return found

    def text(self, group: Any, name: str) -> str:
        """An attribute that is one text."""
        value = self._attribute(group, name)
        return value if isinstance(value, str) else bytes(value).decode()

    def texts(self, group: Any, name: str) -> list[str]:
        """An attribute that is a list of texts."""
        value = self._attribute(group, name)
        if not isinstance(value, np.ndarray) or value.ndim != 1 or (len(value) and value.dtype.kind not in "SO"):
            raise ValueError(f"its {name} are no list of texts")
        return [one if isinstance(one, str) else bytes(one).decode() for one in value.tolist()]

    def _attribute(self, group: Any, name: str) -> Any:
        described = group.attrs.get_id(name)
        count = math.prod(described.shape)
        if count > _MOST_LAYERS or count * described.dtype.itemsize > self._n_bytes:
            raise ValueError(f"its {name} would be longer than the file")
        return group.attrs[name]

    def numbers(self, group: Any, path: str) -> NDArray[Any]:
        """An array of floating-point numbers."""
        stored = self.inside(group, path)
        if not isinstance(stored, self._h5py.Dataset) or stored.shape is None or stored.dtype.kind != "f":
            raise ValueError(f"{path[:200]} is no array of floating-point numbers")
        properties, kinds = stored.id.get_create_plist(), self._h5py.h5d
        in_chunks = properties.get_layout() == kinds.CHUNKED
        if (
            not (in_chunks or properties.get_layout() in (kinds.COMPACT, kinds.CONTIGUOUS))
            or properties.get_nfilters()
            or properties.get_external_count()
        ):
            raise ValueError(f"{path[:200]} is compressed or in another file: only plain arrays are read")
        n_bytes, n_stored = math.prod(stored.shape) * stored.dtype.itemsize, stored.id.get_storage_size()
        # Chunks at the edges are stored whole.
        fits = n_bytes <= n_stored <= self._n_bytes if in_chunks else n_bytes == n_stored
        if not fits or n_bytes > self._n_left:
            raise ValueError(f"{path[:200]} takes other bytes than its shape {stored.shape} does")
        self._n_left -= n_bytes
        return np.asarray(stored[()])
