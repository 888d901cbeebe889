"""Small rasters in the layouts that people have: Sentinel-2, NAIP, PlanetScope, drones, scans."""

import warnings
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

_GREY = ColorInterp.gray
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def waves(bands: int, height: int, width: int, low: float = 0.0, high: float = 255.0) -> np.ndarray:
    """Smooth ground, in which each band is another: float64 [bands, height, width]."""
    y, x = np.mgrid[:height, :width]
    layers = [np.sin(x / (9 + band) + band) * np.cos(y / (13 - band % 7)) for band in range(bands)]
    return (np.stack(layers) + 1) / 2 * (high - low) + low


def make_raster(path: Path, pixels: np.ndarray, crs: str | None, transform: Affine | None, **options: object) -> Path:
    """A raster at `path`, whose folders are made too; options: of the driver, and ``colours``, ``names``, ``tags``,
    ``mask`` (bool [height, width]), ``overviews`` (factors)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours, names, tags = options.pop("colours", None), options.pop("names", None), options.pop("tags", {})
    mask, overviews = options.pop("mask", None), options.pop("overviews", None)
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"} | options
    if not profile["tiled"]:
        del profile["blockxsize"], profile["blockysize"]
    count, height, width = pixels.shape
    profile |= {"count": count, "height": height, "width": width, "dtype": pixels.dtype, "crs": crs}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), ExitStack() as stack:
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        file = stack.enter_context(rasterio.open(path, "w", transform=transform, **profile))
        file.write(pixels)
        if colours:
            file.colorinterp = colours
        for number, name in enumerate(names or (), 1):
            file.set_band_description(number, name)
        file.update_tags(**tags)
        if mask is not None:
            file.write_mask(mask)
        if overviews:
            file.build_overviews(overviews, rasterio.enums.Resampling.average)
    return path


def sentinel(path: Path, side: int = 600, **options: object) -> Path:
    """Four bands of 16 bits at 10 m in EPSG:32633, blue first, 0 where the swath ends."""
    pixels = waves(4, side, side, 200, 3000).astype("uint16")
    pixels[:, :, int(side * 0.9) :] = 0
    options = {"nodata": 0, "names": ("B02", "B03", "B04", "B08"), "overviews": [2, 4]} | options
    return make_raster(path, pixels, "EPSG:32633", from_origin(300_000, 4_900_020, 10, 10), **options)


def naip(path: Path, **options: object) -> Path:
    """Red, green, blue and near infrared of 8 bits at 0.6 m in EPSG:26911."""
    pixels = waves(4, 500, 400).astype("uint8")
    # The fourth band is no alpha.
    options = {"photometric": "RGB", "alpha": "NO", "colours": (*_RGB, ColorInterp.undefined)} | options
    return make_raster(path, pixels, "EPSG:26911", from_origin(500_000, 3_800_000, 0.6, 0.6), **options)


def planetscope(path: Path, **options: object) -> Path:
    """Blue, green, red and near infrared of 16 bits at 3 m, named by descriptions alone."""
    pixels = waves(4, 300, 300, 0, 10_000).astype("uint16")
    options = {"names": ("blue", "green", "red", "nir"), "nodata": 0} | options
    return make_raster(path, pixels, "EPSG:32756", from_origin(330_000, 6_250_000, 3, 3), **options)


def orthomosaic(path: Path) -> Path:
    """A drone's pictures: EPSG:4326, rotated by 20 degrees, with alpha."""
    pixels = waves(4, 400, 400).astype("uint8")
    y, x = np.mgrid[:400, :400]
    pixels[3] = np.where((x - 200) ** 2 + (y - 200) ** 2 < 180**2, 255, 0)
    transform = Affine.translation(12.5, 41.9) * Affine.rotation(20) * Affine.scale(5e-7, -4e-7)
    return make_raster(path, pixels, "EPSG:4326", transform, colours=(*_RGB, ColorInterp.alpha))


def scan(path: Path) -> Path:
    """A scanned map, which does not say where it lies."""
    return make_raster(path, waves(3, 300, 500).astype("uint8"), None, None, colours=_RGB)


def band_files(folder: Path, name: str = "T33TUL_{band}.tif", side: int = 300, **steps: int) -> dict[str, Path]:
    """Files of the bands of one scene of 10 m, by their names; steps: how many times coarser a band is."""
    paths = {}
    for number, (band, step) in enumerate((steps or {"B04": 1, "B03": 1, "B02": 1}).items()):
        pixels = waves(1, side // step, side // step, 200 + number * 500, 900 + number * 500).astype("uint16")
        transform = from_origin(300_000, 4_900_020, 10 * step, 10 * step)
        paths[band] = make_raster(folder / name.format(band=band), pixels, "EPSG:32633", transform, nodata=0)
    return paths
