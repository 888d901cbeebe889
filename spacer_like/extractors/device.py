"""Where networks run: on the CPU or a GPU."""

from __future__ import annotations

import ctypes
import os
from functools import cache

from spacer_like.config import settings
from spacer_like.exceptions import ConfigError
from spacer_like.extras import import_if_installed


def chosen_device() -> str:
    """``cpu`` or ``cuda``, by the setting DEVICE.

    Raises:
        ConfigError: the setting has another value, or asks for a GPU where there is none.
    """
    wanted = settings().device
    if wanted == "cpu":
        return "cpu"
    if wanted not in ("auto", "cuda"):
        raise ConfigError(f"DEVICE must be 'auto', 'cpu' or 'cuda', and is '{wanted}'.")
    if _is_cuda_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError(
            "DEVICE is 'cuda', but no GPU can be used: set it to 'auto' or 'cpu', or install CUDA's torch."
        )
    return "cpu"


@cache
def _is_cuda_available() -> bool:
    # Importing torch only to hear that there is no GPU would double the start of a process that does not need it.
    if not _has_driver():
        return False
    torch = import_if_installed("torch")
    return torch is not None and bool(torch.cuda.is_available())


def _has_driver() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True
