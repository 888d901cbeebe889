"""How functions are compiled by numba, and an instruction of the processor that Python has no word for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

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
