"""The cells of many pixels at once: what a compiler makes of a loop over their bytes takes half as long again."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from spacer_like.rarity.bins import CHANNEL_STEPS
from spacer_like.rarity.image_cells import POSITIONS as PIXELS

# (value * 2571) >> 16 is the bin of every value up to 254, whose bin is also that of 255.
FACTOR, SHIFT, LARGEST = 2571, 16, 254

_BYTES, _NUMBERS, _WIDE = (ir.VectorType(ir.IntType(bits), PIXELS) for bits in (8, 16, 32))
_PIXELS = ir.VectorType(ir.IntType(8), 3 * PIXELS)


@intrinsic  # type: ignore[untyped-decorator]
def store_cells(_: Any, cells: Any, place: Any, pixels: Any, first: Any) -> Any:
    """Write the cells of `PIXELS` pixels, which begin at `pixels[first]`, from `cells[place]` on.

    To be called from compiled functions, which see to it that both are long enough: `cells` is uint16 [n], `pixels` is
    uint8 [n], red, green and blue one after the other; `place` and `first` are uint64. See `bins.cells_of`.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sink = _address(context, builder, signature.args[0], arguments[0], arguments[1], _NUMBERS)
        source = _address(context, builder, signature.args[2], arguments[2], arguments[3], _PIXELS)
        values = builder.load(source, align=1)
        parts = [
            builder.mul(_bins(builder, _channel(builder, values, number)), _NUMBERS([step] * PIXELS))
            for number, step in enumerate(CHANNEL_STEPS)
        ]
        builder.store(builder.add(builder.add(parts[0], parts[1]), parts[2]), sink, align=2)
        return context.get_dummy_value()

    return types.void(cells, types.uint64, pixels, types.uint64), code


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: ir.VectorType) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _channel(builder: Any, values: Any, number: int) -> Any:
    places = ir.VectorType(ir.IntType(32), PIXELS)([3 * pixel + number for pixel in range(PIXELS)])
    return builder.shuffle_vector(values, ir.Constant(_PIXELS, ir.Undefined), places)


def _bins(builder: Any, values: Any) -> Any:
    largest = _BYTES([LARGEST] * PIXELS)
    limited = builder.select(builder.icmp_unsigned("<", values, largest), values, largest)
    products = builder.mul(builder.zext(limited, _WIDE), _WIDE([FACTOR] * PIXELS))
    return builder.trunc(builder.lshr(products, _WIDE([SHIFT] * PIXELS)), _NUMBERS)
