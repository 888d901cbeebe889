"""The checksum CRC-32C (Castagnoli), which LevelDB's tables and TensorFlow's checkpoints have.

A register of 32 bits goes through the bytes. Without the inversions at its beginning and end that is linear, so that
rows of bytes are gone through side by side, and their registers joined afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
"""Reflected: the lowest bit is that of the highest power."""
_ONES = 0xFFFFFFFF
_ROW_BYTES = 1024
# Of fewer bytes the steps side by side would be more than one after the other.
_FEW_BYTES = 2**13


def masked(checksum: int) -> int:
    """A CRC-32C as LevelDB and TensorFlow store it: rotated, and a constant added."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & _ONES


def crc32c(data: bytes | memoryview) -> int:
    """The CRC-32C of bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) < _FEW_BYTES:
        register = _ONES
        for byte in bytes(data):
            register = _TABLE[(register ^ byte) & 0xFF] ^ (register >> 8)
        return register ^ _ONES
    n_rows = -(-len(data) // _ROW_BYTES)
    padded = np.zeros(n_rows * _ROW_BYTES, np.uint8)
    # Zeros in front leave a register of zeros as it is; inverting the first four bytes is inverting the register.
    numbers = padded[len(padded) - len(data) :]
    numbers[:] = np.frombuffer(data, np.uint8)
    numbers[:4] ^= 0xFF
    registers = np.zeros(n_rows, np.uint32)
    for column in np.ascontiguousarray(padded.reshape(n_rows, _ROW_BYTES).T):
        registers = _NUMPY_TABLE[(registers ^ column) & 0xFF] ^ (registers >> 8)
    return _joined(registers) ^ _ONES


def _joined(registers: NDArray[np.uint32]) -> int:
    """The register behind all rows, of those behind each row."""
    # What as many zero bytes as a row has, a power of two, make of each bit of a register.
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    shift = _NUMPY_TABLE[bits & 0xFF] ^ (bits >> 8)
    for _ in range(_ROW_BYTES.bit_length() - 1):
        shift = _shifted(shift, shift)
    while len(registers) > 1:
        if len(registers) % 2:
            registers = np.concatenate([np.zeros(1, np.uint32), registers])
        registers = _shifted(registers[::2], shift) ^ registers[1::2]
        shift = _shifted(shift, shift)
    return int(registers[0])


def _shifted(registers: NDArray[np.uint32], shift: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The registers times a matrix over 0 and 1; `shift` has its columns."""
    found = np.zeros_like(registers)
    for bit, column in enumerate(shift):
        found ^= ((registers >> bit) & 1) * column
    return found


def _table() -> list[int]:
    """What each byte makes of a register of zeros."""
    table = list(range(256))
    for _ in range(8):
        table = [number >> 1 ^ (_POLYNOMIAL if number & 1 else 0) for number in table]
    return table


_TABLE = _table()
_NUMPY_TABLE = np.array(_TABLE, np.uint32)
