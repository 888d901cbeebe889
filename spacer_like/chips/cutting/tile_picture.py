"""A tile as a picture: which bands are its colours, how their values become bytes, and where there is data.

Chips and the map both read tiles by GDAL through this module, so that they show the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.cutting.gdal_reading import gdal_errors, resampled
from spacer_like.exceptions import TileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.grid import Cell

# GDAL decodes a block as a whole.
_MOST_BLOCK_VALUES = 2**27
LARGEST_VALUE = 1e15
"""Of those that a range of values may have."""
# Of the pixels with data, those that become 0 and 255; a few that are far brighter shall not make all others dark.
_STRETCHED = (0.5, 99.5)
_SAMPLED_PIXELS = 1024


@dataclass(frozen=True)
class Colours:
    """How the values of a tile become colours.

    Fields:
        bands: those of red, green and blue, or the one of grey or of the palette, by GDAL's numbers.
        alpha: the band that says where there is data; None: there is none.
        table: uint8 [values, 1 or 3], the byte or the colour of each value of bytes; None: the value itself.
        stretch: the values of other numbers that become 0 and 255; None: the tile is of bytes.
        is_inverted: whether the smallest value is white.
    """

    bands: tuple[int, ...]
    alpha: int | None
    table: NDArray[np.uint8] | None = None
    stretch: tuple[float, float] | None = None
    is_inverted: bool = False

    @property
    def n_colours(self) -> int:
        """1 for grey, 3 for red, green and blue."""
        return len(self.bands) if self.table is None else max(len(self.bands), self.table.shape[1])


class TilePicture:
    """The pixels of a raster as bytes of grey, or of red, green and blue.

    Args:
        dataset: rasterio's.
        mask: the raster of a file beside the tile that says where there is data, of the same pixels.
        name: what errors call the tile.
    """

    def __init__(self, dataset: Any, mask: Any, colours: Colours, name: str) -> None:
        self.dataset = dataset
        self.colours = colours
        self._mask = mask
        self.name = name
        self._ramp: NDArray[np.uint8] | None = None

    def read(
        self, window: Any, shape: tuple[int, int] | None = None, out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """The pixels of a window: uint8 [1 or 3, height, width].

        Args:
            shape: height and width that the window is read at; None: its own.
            out: what the pixels are written to, of the window's own size.
        """
        colours, options = self.colours, self._options(window, shape)
        if colours.stretch is None and colours.table is None:
            read: NDArray[np.uint8] = self._call("read", indexes=colours.bands, **{**options, "out": out})
            return read
        found = self.coloured(self._call("read", indexes=colours.bands, **options))
        if out is None:
            return found
        out[...] = found
        return out

    def values(self, window: Any) -> NDArray[Any]:
        """The numbers of a window as they are in the raster: [bands of the colours, height, width]."""
        found: NDArray[Any] = self._call("read", indexes=self.colours.bands, window=window)
        return found

    def coloured(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The bytes of `values`: uint8 [1 or 3, height, width]."""
        colours = self.colours
        if colours.stretch is None:
            return _with_table(values, colours.table)
        if values.dtype.kind not in "iu" or values.dtype.itemsize != 2:
            return _stretched(values, colours)
        if self._ramp is None:
            self._ramp = _stretched(np.arange(2**16, dtype=np.uint16).view(values.dtype), colours)
        return self._ramp[values.view(np.uint16)]

    def valid_of(self, values: NDArray[Any], window: Any) -> NDArray[np.bool_]:
        """As `valid` of a window, whose `values` are read: where these say it, nothing is read again."""
        shape = values.shape[1:]
        if self._mask is None and self.colours.alpha is None:
            kinds = self._mask_kinds
            if kinds == "all_valid":
                return np.ones(shape, np.bool_)
            if kinds == "nodata" and values.dtype.kind in "iu":
                nodata = self.dataset.nodata
                # A pixel has data where any band has.
                if any(band.min() > nodata or band.max() < nodata for band in values):
                    return np.ones(shape, np.bool_)
                valid: NDArray[np.bool_] = (values != nodata).any(axis=0)
                if valid.all() or len(values) == self.dataset.count:
                    return valid
        return self.valid(window)

    @cached_property
    def _mask_kinds(self) -> str:
        """``all_valid`` or ``nodata`` where that holds of all bands, else ""."""
        kinds = {tuple(flag.name for flag in flags) for flags in self.dataset.mask_flag_enums}
        return next(iter(kinds))[0] if len(kinds) == 1 and len(next(iter(kinds))) == 1 else ""

    def valid(self, window: Any = None, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
        """Where there is data: bool [height, width]; errors and arguments as `read`."""
        from rasterio.enums import MaskFlags, Resampling

        options = self._options(window, shape) | {"resampling": Resampling.nearest}
        if self._mask is not None:
            with gdal_errors(self.name):
                masks: NDArray[np.bool_] = self._mask.read(**options).any(axis=0)
            return masks
        del options["resampling"]
        if shape is None:
            del options["out_shape"]
        valid: NDArray[np.bool_] = self._call("dataset_mask", **options) > 0
        if self.colours.alpha is not None and MaskFlags.alpha not in self.dataset.mask_flag_enums[0]:
            valid &= self._call("read", indexes=self.colours.alpha, **options) > 0
        return valid

    def _options(self, window: Any, shape: tuple[int, int] | None) -> dict[str, Any]:
        from rasterio.enums import Resampling

        # Between two numbers of a palette there is no colour between theirs.
        smooth = self.colours.table is None
        return {
            "window": window,
            "out_shape": shape,
            "resampling": Resampling.bilinear if smooth and shape is not None else Resampling.nearest,
        }

    def _call(self, method: str, **options: Any) -> Any:
        with gdal_errors(self.name):
            return getattr(self.dataset, method)(**options)


@contextmanager
def tile_picture(dataset: Any, mask: Any, name: str, cell: Cell | None) -> Iterator[TilePicture]:
    """A tile as a picture.

    Args:
        dataset: the tile, opened by rasterio.
        mask: the file beside it, opened likewise; None: there is none.
        name: what errors call the tile.
        cell: resample the tile to the pixels of this cell's grid, bilinear, or where it has a palette the nearest.

    Raises:
        TileError: the tile is no picture; it does not say where it lies, or lies outside the cell.
    """
    if mask is not None and mask.shape != dataset.shape:
        raise TileError(
            f"The tile '{name}' has {dataset.width} x {dataset.height} pixels, and the mask beside it {mask.width} x "
            f"{mask.height}: remove the mask, or make it anew."
        )
    colours = colours_of(dataset, name)
    if colours.stretch is not None:
        colours = replace(colours, stretch=_percentiles(TilePicture(dataset, mask, colours, name)))
    if cell is None:
        yield TilePicture(dataset, mask, colours, name)
        return
    with ExitStack() as stack:
        smooth = colours.table is None
        adds_alpha = dataset.nodata is None and colours.alpha is None
        warped = stack.enter_context(resampled(dataset, name, cell, smooth=smooth, add_alpha=adds_alpha))
        if adds_alpha:
            colours = replace(colours, alpha=warped.count)
        if mask is not None:
            mask = stack.enter_context(resampled(mask, name, cell, georeferenced=dataset))
        yield TilePicture(warped, mask, colours, name)


def colours_of(dataset: Any, name: str, bands: tuple[int, ...] | None = None) -> Colours:
    """The colours of a tile; numbers are not stretched to its percentiles yet.

    Args:
        bands: None: those that the tile says are its colours.

    Raises:
        TileError: it has no such bands, pixels that are no picture, or blocks too large to be read.
    """
    from rasterio.enums import ColorInterp

    width, height = (max(shape[side] for shape in dataset.block_shapes) for side in (1, 0))
    if width * height * dataset.count > _MOST_BLOCK_VALUES:
        raise TileError(f"The raster '{name}' has blocks of {width} x {height} pixels: store it with smaller ones.")
    kinds = list(dataset.colorinterp)
    alpha = kinds.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in kinds else None
    bands = bands or _bands(kinds)
    if not bands:
        raise TileError(f"The raster '{name}' has no band of colours, only one that says where there is data.")
    dtypes = list(dict.fromkeys(dataset.dtypes[band - 1] for band in bands))
    if len(dtypes) > 1 or "complex" in dtypes[0]:
        raise TileError(f"The raster '{name}' has pixels that are no picture: {', '.join(dtypes)}.")
    is_inverted = dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
    dtype = np.dtype(dtypes[0])
    if kinds[bands[0] - 1] == ColorInterp.palette:
        return Colours(bands, alpha, _palette(dataset, bands[0], dtype, name))
    if dtype != np.uint8:
        return Colours(bands, alpha, stretch=(0.0, 1.0), is_inverted=is_inverted)
    n_bits = int(dataset.tags(bands[0], ns="IMAGE_STRUCTURE").get("NBITS", 8))
    if n_bits == 8 and not is_inverted:
        return Colours(bands, alpha)
    ramp = np.rint(np.minimum(np.arange(256) * (255 / (2**n_bits - 1)), 255)).astype(np.uint8)
    return Colours(bands, alpha, (255 - ramp if is_inverted else ramp)[:, None])


def _bands(kinds: list[Any]) -> tuple[int, ...]:
    """Red, green and blue where a tile names all of them, else its palette or grey, else its first three or one."""
    from rasterio.enums import ColorInterp

    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(colour in kinds for colour in colours):
        return tuple(kinds.index(colour) + 1 for colour in colours)
    others = tuple(place + 1 for place, kind in enumerate(kinds) if kind != ColorInterp.alpha)
    if ColorInterp.palette in kinds:
        return (kinds.index(ColorInterp.palette) + 1,)
    # Programs call the first of many bands grey that have no other name for it.
    if len(others) < 3 and ColorInterp.gray in kinds:
        return (kinds.index(ColorInterp.gray) + 1,)
    return others[:3] if len(others) >= 3 else others[:1]


def _palette(dataset: Any, band: int, dtype: np.dtype[Any], name: str) -> NDArray[np.uint8]:
    """The colours of a palette, black where it has none: uint8 [values, 3], or [values, 1] where all are grey."""
    if dtype not in (np.uint8, np.uint16):
        raise TileError(f"The raster '{name}' has a palette for numbers of {dtype}: store it with red, green and blue.")
    table = np.zeros((2 ** (8 * dtype.itemsize), 3), np.uint8)
    with gdal_errors(name):
        entries = dataset.colormap(band)
    for value, colour in entries.items():
        if 0 <= value < len(table):
            table[value] = colour[:3]
    return table[:, :1].copy() if (table == table[:, :1]).all() else table


def _with_table(values: NDArray[Any], table: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    if table is None:
        return values.astype(np.uint8)
    found: NDArray[np.uint8] = table[:, 0][values] if table.shape[1] == 1 else np.moveaxis(table[values[0]], -1, 0)
    return found


def _stretched(values: NDArray[Any], colours: Colours) -> NDArray[np.uint8]:
    low, high = colours.stretch or (0.0, 1.0)
    # Values far beyond the range may be more than single precision holds: they are clipped as well.
    with np.errstate(over="ignore"):
        scaled = np.nan_to_num((values.astype(np.float32) - low) * (255 / (high - low)))
    scaled = np.clip(np.rint(scaled), 0, 255)
    found: NDArray[np.uint8] = (255 - scaled if colours.is_inverted else scaled).astype(np.uint8)
    return found


def _percentiles(picture: TilePicture) -> tuple[float, float]:
    """The values that become 0 and 255, of a part of the pixels."""
    return value_range(sampled_values(picture))


def value_range(values: NDArray[np.float64]) -> tuple[float, float]:
    """The values that become 0 and 255, of those of pixels with data.

    Values beyond `LARGEST_VALUE` are left out: they mark pixels without data, though the raster does not say so.
    """
    values = values[np.abs(values) <= LARGEST_VALUE]
    if not len(values):
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, _STRETCHED))
    return low, max(high, low + 1e-6)


def sampled_values(picture: TilePicture) -> NDArray[np.float64]:
    """The values of the bands of about a million pixels of a tile, those with data: float64 [n].

    Raises:
        TileError: they cannot be read.
    """
    dataset = picture.dataset
    shape = min(dataset.height, _SAMPLED_PIXELS), min(dataset.width, _SAMPLED_PIXELS)
    bands = picture.colours.bands
    with gdal_errors(picture.name):
        values = dataset.read(indexes=bands, out_shape=(len(bands), *shape)).astype(np.float64)
    values = values[:, picture.valid(shape=shape)]
    found: NDArray[np.float64] = values[np.isfinite(values)]
    return found
