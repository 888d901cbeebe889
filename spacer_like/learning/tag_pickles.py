"""Classifiers of one tag from files that joblib wrote: scikit-learn's LogisticRegression and SVC.

joblib's files are pickles with the bytes of arrays between their instructions. Nothing that they name is imported or
called: see `pickles`.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import DataLimitError, ModelFileError, damage_as
from spacer_like.learning.linear_tags import LinearTags
from spacer_like.learning.pickled_arrays import NAMES, array_of, dtype_of, scalar_of
from spacer_like.learning.pickles import Made, read_pickle
from spacer_like.learning.svm_tags import SvmTags

Floats = NDArray[np.float64]

MAX_BYTES = 2**28
"""Of a file that was unpacked."""
_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_REGRESSIONS = frozenset(f"sklearn.linear_model.{name}.LogisticRegression" for name in ("_logistic", "logistic"))
_MACHINES = frozenset(f"sklearn.svm.{name}.SVC" for name in ("_classes", "classes"))
_PYTHON = {"copy_reg._reconstructor", "copyreg._reconstructor", "__builtin__.object", "builtins.object"}
ALLOWED = frozenset(NAMES | _REGRESSIONS | _MACHINES | _PYTHON | {_WRAPPER})
"""Every name that the file of a tag's classifier may mention."""
_UNPACKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x78": lambda data: zlib.decompressobj().decompress(data, MAX_BYTES + 1),
    b"\x1f\x8b": lambda data: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, MAX_BYTES + 1),
    b"BZh": lambda data: bz2.BZ2Decompressor().decompress(data, MAX_BYTES + 1),
    b"\xfd7zXZ\x00": lambda data: lzma.LZMADecompressor(memlimit=MAX_BYTES).decompress(data, MAX_BYTES + 1),
    b"\x5d\x00\x00": lambda data: lzma.LZMADecompressor(memlimit=MAX_BYTES).decompress(data, MAX_BYTES + 1),
}
_LZ4 = b"\x04\x22\x4d\x18"


def read_tag_pickle(data: bytes, name: str) -> LinearTags | SvmTags:
    """The classifier of one tag, which is the file's class 0; its class 1 is every other image.

    Args:
        data: the file, of `joblib.dump`, compressed by zlib, gzip, bz2, xz, lzma or not at all.
        name: what errors call the file.

    Raises:
        ModelFileError: a damaged file, one that names what no such classifier needs, or one of another classifier.
        DataLimitError: a file of more than 256 MiB after it is unpacked.
    """
    with damage_as(ModelFileError, name, f"{name}: the file holds no classifier of a tag"):
        tree = read_pickle(_unpacked(data), ALLOWED, _read_array)
        kind = tree.name if isinstance(tree, Made) else None
        if kind not in _REGRESSIONS | _MACHINES or not isinstance(tree.state, dict):
            found = kind.rpartition(".")[2] if kind is not None else type(tree).__name__
            raise ModelFileError(f"{name}: a LogisticRegression or an SVC is expected, and this is a {found}.")
        if "classes_" not in tree.state:
            raise ModelFileError(f"{name}: the classifier was never fitted.")
        if not np.array_equal(array_of(tree.state["classes_"]), [0, 1]):
            raise ModelFileError(f"{name}: the classes must be 0, the tag, and 1, other images.")
        return _regression(tree.state) if kind in _REGRESSIONS else _machine(tree.state)


def _unpacked(data: bytes) -> bytes:
    if data.startswith(_LZ4):
        raise ModelFileError("The file is compressed by lz4, which is not read: write it again with compress=0.")
    for begin, unpack in _UNPACKERS.items():
        if data.startswith(begin):
            data = unpack(data)
            break
    if len(data) > MAX_BYTES:
        raise DataLimitError("The classifier's file has more than 256 MiB unpacked: it was not opened.")
    return data


def _read_array(node: Any, stream: BytesIO) -> None:
    """Where the node announces an array, make it the node of one, with the bytes that lie behind it in the file."""
    if not isinstance(node, Made) or node.name != _WRAPPER:
        return
    state = node.state
    shape, dtype = state["shape"], dtype_of(state["dtype"])
    # Before them lies a byte that says how many more do, to align them.
    if state.get("numpy_array_alignment_bytes") is not None:
        padding = stream.read(1)[0]
        stream.read(padding)
    size = prod(int(one) for one in shape) * dtype.itemsize
    if size < 0 or size > stream.getbuffer().nbytes - stream.tell():
        raise ValueError("an array is longer than the file")
    node.name = "numpy._core.multiarray._reconstruct"
    node.state = (1, shape, state["dtype"], state["order"] == "F", stream.read(size))


def _regression(state: Mapping[str, Any]) -> LinearTags:
    weights, bias = _numbers(state, "coef_", 2), _numbers(state, "intercept_", 1)
    if len(weights) != 1 or len(bias) != 1:
        raise ValueError("its arrays do not fit together")
    # A softmax of the two decision values -z and z is a sigmoid of 2 z.
    factor = 2 if scalar_of(state.get("multi_class")) == "multinomial" else 1
    return LinearTags(-factor * weights, -factor * bias)


def _machine(state: Mapping[str, Any]) -> SvmTags:
    if scalar_of(state.get("kernel")) != "rbf" or state.get("_sparse"):
        raise ModelFileError("Only an SVC with the kernel 'rbf', trained on arrays, can be read.")
    slopes, bias = (_numbers(state, key if key in state else f"{key[1:]}_", 1) for key in ("_probA", "_probB"))
    if not len(slopes):
        raise ModelFileError("The SVC gives no probabilities: train it with probability=True.")
    vectors = _numbers(state, "support_vectors_", 2)
    # libsvm's decision value speaks for the first class, scikit-learn's for the second.
    sign = 1 if "_dual_coef_" in state else -1
    coefficients = sign * _numbers(state, "_dual_coef_" if sign == 1 else "dual_coef_", 2)
    intercepts = sign * _numbers(state, "_intercept_" if sign == 1 else "intercept_", 1)
    gammas = np.array([float(scalar_of(state["_gamma"]))])
    if coefficients.shape != (1, len(vectors)) or not len(intercepts) == len(slopes) == len(bias) == 1:
        raise ValueError("its arrays do not fit together")
    if not (np.isfinite(gammas) & (gammas >= 0)).all():
        raise ValueError("its gamma is no number of 0 or more")
    return SvmTags(vectors, coefficients, intercepts, gammas, slopes, bias, is_coupled=True)


def _numbers(state: Mapping[str, Any], name: str, dimensions: int) -> Floats:
    found = array_of(state[name])
    if found.dtype.kind not in "iuf" or found.ndim != dimensions or not np.isfinite(found).all():
        raise ValueError(f"its {name} is no array of finite numbers with {dimensions} dimensions")
    return np.ascontiguousarray(found, np.float64)
