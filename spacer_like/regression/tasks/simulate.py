"""The task that makes images of galaxies of known inclination."""

from __future__ import annotations

import time
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from spacer_like.extras import import_extra
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.regression.catalog import catalog_text
from spacer_like.regression.labels import FACE_ON, FACE_ON_LABEL, LOWEST, counted_labels
from spacer_like.regression.messages import SimulateGalaxiesMsg, SimulateGalaxiesReturnMsg
from spacer_like.regression.simulation import BAND_NAMES, SimulatedGalaxy, SimulationOptions, simulated
from spacer_like.storage import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_CATALOG = "catalog.txt"
_JPEG_QUALITY = 95


@task
def simulate_galaxies(msg: SimulateGalaxiesMsg) -> SimulateGalaxiesReturnMsg:
    """Make images of galaxies of known inclination, and, last, the catalog.

    Raises:
        MissingExtraError: GalSim is not installed, or for FITS files astropy.
    """
    start = time.perf_counter()
    options = SimulationOptions(msg.least_inclination, 90.0, msg.rotated, msg.randomised)
    rows, codes, n_files = [], [], 0
    for done in range(msg.count):
        galaxy_id = msg.first_id + done
        galaxy = simulated(msg.seed, galaxy_id, msg.size, options)
        for band in dict.fromkeys(msg.bands):
            for ending, data in _files(galaxy, band, msg.fits):
                write_bytes(msg.out_loc.below(f"pgc{galaxy_id}_{msg.root}_{band}.{ending}"), data)
                n_files += 1
        rows.append(_row(galaxy_id, galaxy))
        codes.append(FACE_ON if galaxy.truth.inclination < LOWEST else round(galaxy.truth.inclination))
        report("galaxies made", done + 1, msg.count)
    write_bytes(msg.catalog_loc or msg.out_loc.below(_CATALOG), catalog_text(rows).encode())
    return SimulateGalaxiesReturnMsg(
        n_galaxies=len(rows),
        n_files=n_files,
        labels=counted_labels(codes),
        runtime=time.perf_counter() - start,
    )


def _row(galaxy_id: int, galaxy: SimulatedGalaxy) -> dict[str, object]:
    """The galaxy's cells of the catalog."""
    truth = galaxy.truth
    is_face_on = truth.inclination < LOWEST
    return {
        "pgc": galaxy_id,
        "inc": 0 if is_face_on else round(truth.inclination),
        "inc_e": 0,
        "inc_n": 1,
        "inc_flg": int(is_face_on),
        "fon": FACE_ON_LABEL if is_face_on else "",
        "inc_note": "[face_on]" if is_face_on else "",
        "inc_true": f"{truth.inclination:.4f}",
        "pa": f"{truth.position_angle:.3f}",
        "thickness": f"{truth.thickness:.4f}",
        "bulge": f"{truth.bulge_share:.4f}",
        "scale_px": f"{truth.scale_length:.3f}",
        "seeing_px": f"{truth.seeing:.3f}",
    }


def _files(galaxy: SimulatedGalaxy, band: str, fits: bool) -> Iterator[tuple[str, bytes]]:
    """The endings and bytes of a band's files."""
    is_colour = band not in BAND_NAMES
    index = slice(None) if is_colour else BAND_NAMES.index(band)
    sink = BytesIO()
    if is_colour:
        Image.fromarray(galaxy.colour).save(sink, "JPEG", quality=_JPEG_QUALITY)
    else:
        Image.fromarray(galaxy.grey[index]).save(sink, "PNG")
    yield "jpg" if is_colour else "png", sink.getvalue()
    if fits:
        yield "fits", _fits_bytes(galaxy.bands[index])


def _fits_bytes(counts: NDArray[np.float32]) -> bytes:
    fits = import_extra("astropy.io.fits", "Writing FITS", "galaxies")
    sink = BytesIO()
    fits.PrimaryHDU(counts).writeto(sink)
    return sink.getvalue()
