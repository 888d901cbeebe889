"""How functions are compiled by numba, and instructions of the processor that Python has no word for."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from logging import getLogger
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from spacer_like.storage.ownership import why_not_ours

logger = getLogger(__name__)

WIDTH_OF_A_MASK = 64
"""How many numbers `which_are_not_zero` looks at."""
WIDTH_OF_COMPRESSION = 16
"""How many numbers `compress_into` looks at."""
_BYTE_POINTER, _INT = ir.IntType(8).as_pointer(), ir.IntType(32)
_FOR_READING, _INTO_ALL_CACHES, _OF_DATA = 0, 3, 1


def compiled(function: Any) -> Any:
    """The function, to be compiled when it is first called; other threads of Python run meanwhile.

    The compiled code is kept for other processes where nobody else can write: reading it runs it.
    """
    with suppress(RuntimeError):
        # Raised where neither the package's folder nor the user's may be written to.
        kept = njit(cache=True, nogil=True)(function)
        if _is_ours(kept.stats.cache_path):
            return kept
    return njit(nogil=True)(function)


@cache
def _is_ours(folder: str) -> bool:
    paths = [Path(folder), *Path(folder).glob("*.nb[ic]")]
    reason = next((reason for path in paths if (reason := why_not_ours(path))), None)
    if reason:
        logger.warning("What numba compiled is not kept in %s, because %s: each process compiles.", folder, reason)
    return reason is None


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(_: Any, array: Any, index: Any) -> Any:
    """Have the memory of `array[index]` brought into the core's cache, for who reads it soon; `index` is uint64.

    To be called from compiled functions. It changes nothing, and does nothing for an index that there is not.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), _BYTE_POINTER)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE_POINTER, _INT, _INT, _INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(function, [address, _INT(_FOR_READING), _INT(_INTO_ALL_CACHES), _INT(_OF_DATA)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), code


@intrinsic  # type: ignore[untyped-decorator]
def which_are_not_zero(_: Any, array: Any, index: Any) -> Any:
    """A bit for each of the `WIDTH_OF_A_MASK` numbers from `array[index]` on, which must exist: whether it is not 0.

    To be called from compiled functions: `array` is uint16 [n], `index` and the mask, whose lowest bit is the first
    number's, are uint64.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.VectorType(ir.IntType(16), WIDTH_OF_A_MASK)
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), kind.as_pointer())
        numbers = builder.load(address, align=2)
        bits = builder.icmp_unsigned("!=", numbers, kind([0] * WIDTH_OF_A_MASK))
        return builder.bitcast(bits, ir.IntType(WIDTH_OF_A_MASK))

    return types.uint64(array, types.uint64), code


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(_: Any, number: Any) -> Any:
    """The place of the lowest bit of a uint64 that is not 0, uint64; to be called from compiled functions."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), code


def can_compress() -> bool:
    """Whether code is compiled for a processor that `compress_into` can be called on: one with AVX-512."""
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return "+avx512f" in features.split(",")


@intrinsic  # type: ignore[untyped-decorator]
def compress_into(_: Any, keys: Any, values: Any, place: Any, array: Any, index: Any, first_key: Any) -> Any:
    """Write which of the `WIDTH_OF_COMPRESSION` numbers from `array[index]` on are not 0, and the numbers.

    To be called from compiled functions, where `can_compress`. `keys` and `values`, uint32 [n], are written as many
    from `place` on as were looked at, and those past the answer are of no meaning; `array` is uint16 [n], `first_key`
    the key of the first number; `place`, `index` and `first_key` are uint64.

    Returns:
        How many are not 0, uint64.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, narrow, bits = (ir.VectorType(ir.IntType(size), WIDTH_OF_COMPRESSION) for size in (32, 16, 1))

        def address(argument: int, index: int, kind: ir.VectorType) -> Any:
            data = context.make_array(signature.args[argument])(context, builder, arguments[argument]).data
            return builder.bitcast(builder.gep(data, [arguments[index]]), kind.as_pointer())

        numbers = builder.load(address(3, 4, narrow), align=2)
        chosen = builder.icmp_unsigned("!=", numbers, narrow([0] * WIDTH_OF_COMPRESSION))
        first = builder.insert_element(wide(ir.Undefined), builder.trunc(arguments[5], _INT), _INT(0))
        same = builder.shuffle_vector(first, wide(ir.Undefined), wide([0] * WIDTH_OF_COMPRESSION))
        kind = ir.FunctionType(wide, [wide, wide, bits])
        # Into a register and not into memory: some processors take a hundred times as long for that.
        compress = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.mask.compress.v16i32")
        nothing = wide([0] * WIDTH_OF_COMPRESSION)
        numbered = builder.add(same, wide(list(range(WIDTH_OF_COMPRESSION))))
        for argument, vector in ((0, numbered), (1, builder.zext(numbers, wide))):
            packed = builder.call(compress, [vector, nothing, chosen])
            builder.store(packed, address(argument, 2, wide), align=4)
        mask = builder.bitcast(chosen, ir.IntType(WIDTH_OF_COMPRESSION))
        return builder.zext(builder.ctpop(mask), ir.IntType(64))

    return types.uint64(keys, values, types.uint64, array, types.uint64, types.uint64), code
