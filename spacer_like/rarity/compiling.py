"""How functions are compiled by numba, and instructions of the processor that Python has no word for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

WIDTH_OF_A_MASK = 64
"""How many numbers `which_are_not_zero` looks at."""
_BYTE_POINTER, _INT = ir.IntType(8).as_pointer(), ir.IntType(32)
_FOR_READING, _INTO_ALL_CACHES, _OF_DATA = 0, 3, 1


def compiled(function: Any) -> Any:
    """The function, to be compiled when it is first called; other threads of Python run meanwhile."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's may be written to: each process compiles for itself.
        return njit(nogil=True)(function)


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
