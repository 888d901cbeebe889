"""Tiles of textured ground, made by GDAL as the real ones are: small ones for tests, large ones for benchmarks."""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from rasterio.windows import Window

CELL = "031111212322"
SOUTHERN_CELL = "211111212322"
ACQUISITION = "1050410012C31100"
# An acquisition of WorldView-4.
HYPHENATED = "b7a4b0f6-8e4c-4a7e-9d0a-2f1c3e5a7b90-inv"
PIXEL = 5000 / 16384
"""Metres."""
APRON = 512
FULL = 16384 + 2 * APRON
"""Width and height of a tile that covers its cell, in pixels."""
_PERIOD = 1021

Mask = np.ndarray | Callable[[int, int, int, int], np.ndarray] | None
Pixels = np.ndarray | Callable[[int, int, int, int], np.ndarray] | None


def north_west(quadkey: str = CELL) -> tuple[float, float]:
    """Easting and northing in metres of the corner of a cell."""
    side = 20_480_000 / 2 ** len(quadkey)
    column, row = (
        sum((int(digit) >> bit & 1) << place for place, digit in enumerate(reversed(quadkey))) for bit in (0, 1)
    )
    shift = 10_000_000 if quadkey[0] in "23" else 0
    return -9_740_000 + column * side, 10_240_000 - row * side + shift


@cache
def texture(seed: int = 0, bands: int = 3) -> np.ndarray:
    """Noise with the spectrum of photographs, that repeats without a seam: float32 [1021, 1021, bands]."""
    random = np.random.default_rng(seed)
    frequencies = np.hypot(np.fft.fftfreq(_PERIOD)[:, None], np.fft.rfftfreq(_PERIOD)[None])
    frequencies[0, 0] = 1
    shared = random.standard_normal((_PERIOD, _PERIOD))
    layers = []
    for _ in range(bands):
        noise = np.fft.rfft2(shared + 0.3 * random.standard_normal((_PERIOD, _PERIOD))) / frequencies**1.25
        noise[0, 0] = 0
        layer = np.fft.irfft2(noise, (_PERIOD, _PERIOD))
        layers.append(layer / layer.std())
    return np.stack(layers, -1).astype(np.float32)


def ground(columns: slice, rows: slice, noise: np.ndarray) -> np.ndarray:
    """A part of an endless ground, no two blocks of which are alike: uint8 [rows, columns, bands]."""
    x, y = (np.arange(part.start, part.stop) for part in (columns, rows))
    light = 18 * np.sin(x / 811)[None, :, None] + 18 * np.cos(y / 1223)[:, None, None]
    part = noise[y % _PERIOD][:, x % _PERIOD] * 42 + light.astype(np.float32) + 115
    return np.clip(part, 9, 255).astype(np.uint8)


def slanted(column: int, row: int, width: int, height: int) -> np.ndarray:
    """A mask with data above a slanted edge, so that some chips are full of it, some in part, some not at all."""
    x, y = np.arange(column, column + width), np.arange(row, row + height)
    return (x[None] * 3 + y[:, None] * 4) < 7 * 0.62 * 16384


def make_tile(
    path: Path | str,
    quadkey: str = CELL,
    *,
    zone: int = 33,
    column: float = -APRON,
    row: float = -APRON,
    width: int = 2048,
    height: int = 2048,
    mask: Mask = None,
    pixels: Pixels = None,
    bands: int = 3,
    dtype: str = "uint8",
    compress: str = "JPEG",
    pixel: float = PIXEL,
    crs: str | None = None,
    seed: int = 0,
    driver: str = "COG",
    **options: object,
) -> Path:
    """A tile at `path`, whose folders are made too.

    Args:
        quadkey: of the cell that the tile is for.
        column, row: the place of its north-western corner, in pixels of `pixel` metres from that of the cell; an apron
            of 512 pixels has negative ones.
        mask: bool [height, width], True where there is data, or what makes a part of it from column, row, width and
            height, which count from the corner of the tile. What has no data is black. None: no mask.
        pixels: [height, width, bands], or what makes a part of it likewise; None: textured ground.
        options: of GDAL's driver, such as ``BLOCKSIZE=256``, ``QUALITY=90``, ``BIGTIFF="YES"``, ``SPARSE_OK=True``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    west, north = north_west(quadkey)
    transform = from_origin(west + column * pixel, north - row * pixel, pixel, pixel)
    crs = crs or f"EPSG:{(327 if quadkey[0] in '23' else 326) * 100 + zone}"
    profile = {"width": width, "height": height, "count": bands, "dtype": dtype, "crs": crs, "transform": transform}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        plain = Path(folder) / "plain.tif"
        with rasterio.open(plain, "w", driver="GTiff", tiled=True, blockxsize=512, blockysize=512, **profile) as file:
            if bands == 3:
                file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
            noise = texture(seed, bands) if pixels is None else None
            for window in _windows(width, height):
                _write_part(file, window, mask, pixels, noise)
        if "BLOCKSIZE" not in options and driver == "COG":
            options["BLOCKSIZE"] = 512
        rasterio.shutil.copy(plain, path, driver=driver, COMPRESS=compress, **options)
    return path


def tile_path(root: Path | str, quadkey: str = CELL, acquisition: str = ACQUISITION, zone: int = 33) -> Path:
    """Where a tree of tiles has the pictures of a cell."""
    return Path(root) / f"{zone:02d}" / quadkey / "2015-05-28" / f"{acquisition}-visual.tif"


def _windows(width: int, height: int) -> Iterator[Window]:
    for row in range(0, height, 512):
        yield Window(0, row, width, min(512, height - row))


def _write_part(file, window: Window, mask: Mask, pixels: Pixels, noise: np.ndarray | None) -> None:
    rows, columns = window.toslices()
    box = (window.col_off, window.row_off, window.width, window.height)
    if noise is not None:
        part = ground(columns, rows, noise)
        if file.dtypes[0] != "uint8":
            part = part.astype(file.dtypes[0]) * 7
    else:
        part = pixels(*box) if callable(pixels) else pixels[rows, columns]
    if mask is not None:
        has_data = mask(*box) if callable(mask) else mask[rows, columns]
        part = np.where(has_data[..., None], part, 0).astype(part.dtype)
        file.write_mask(has_data, window=window)
    file.write(part.transpose(2, 0, 1), window=window)
