"""The task that measures axis ratios of galaxies without a network."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spacer_like.config import settings
from spacer_like.cores import thread_count
from spacer_like.exceptions import CollectionError, SpacerError, SpacerInputError
from spacer_like.images.files import Files, open_files
from spacer_like.images.square import decoded
from spacer_like.message_base import Unreadable
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.regression.axis_ratio import DOUBTFUL, GOOD, NOT_MEASURED, AxisRatio, measured_axis_ratio, not_measured
from spacer_like.regression.catalog import read_catalog
from spacer_like.regression.fits_images import fits_light
from spacer_like.regression.labels import LOWEST, MOST_ID, StampName, filter_of
from spacer_like.regression.messages import MeasureAxisRatiosMsg, MeasureAxisRatiosReturnMsg
from spacer_like.regression.stamps import is_fits
from spacer_like.storage import read_bytes
from spacer_like.storage.base import outcomes
from spacer_like.tables.failures import MOST_ANSWERED
from spacer_like.tables.writing import check_endings, write_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ENDINGS = (".png", ".jpg", ".jpeg", ".fits", ".fit", ".fits.gz")
_ID = re.compile(r"(?:.*/)?pgc([0-9]{1,10})_")
_BAND = re.compile(r".*[_.](g|r|i|gri|RGB)(?:\.sdss)?\.(?:png|jpe?g|fits?|fits\.gz)")


class _Galaxy(NamedTuple):
    """What a file's name and the catalog say of an image."""

    name: str
    id: int | None
    filter: str | None
    inclination: float | None


@task
def measure_axis_ratios(msg: MeasureAxisRatiosMsg) -> MeasureAxisRatiosReturnMsg:
    """Measure the axis ratio of the galaxy in each image, sorted by name; what cannot be measured has a reason.

    Raises:
        CollectionError: there is no image.
        TableError: no catalog, or the name of the table has an unknown ending.
        DataNotFoundError: there is no folder, or no catalog.
        MissingExtraError: there are FITS files, and astropy is not installed.
    """
    start = time.perf_counter()
    check_endings([msg.table_loc])
    inclinations = _catalog(msg)
    with open_files(msg.images_loc) as files:
        names = sorted(name for name in files.names if name.lower().endswith(_ENDINGS))
        if not names:
            raise CollectionError(f"There is no image in '{files.name}': names must end with {', '.join(_ENDINGS)}.")
        found = _measured(msg, files, names)
    galaxies = [_galaxy(name, inclinations) for name in names]
    _write(msg, galaxies, found)
    failed = [
        Unreadable.of(name, one.reason) for name, one in zip(names, found, strict=True) if one.flag == NOT_MEASURED
    ]
    errors = _errors(galaxies, found)
    return MeasureAxisRatiosReturnMsg(
        n_images=len(names),
        n_good=sum(one.flag == GOOD for one in found),
        n_doubtful=sum(one.flag == DOUBTFUL for one in found),
        n_failed=len(failed),
        failed=failed[:MOST_ANSWERED],
        n_compared=len(errors),
        rms=float(np.sqrt(np.mean(errors**2))) if len(errors) else None,
        mae=float(np.abs(errors).mean()) if len(errors) else None,
        runtime=time.perf_counter() - start,
    )


def _catalog(msg: MeasureAxisRatiosMsg) -> dict[int, float] | None:
    """The inclination of each galaxy of the catalog that has one; None: there is no catalog."""
    if msg.catalog_loc is None:
        return None
    catalog = read_catalog(read_bytes(msg.catalog_loc), msg.catalog_loc.display_name)
    return {row.id: row.inclination for row in catalog.rows if row.code >= LOWEST}


def _galaxy(name: str, inclinations: dict[int, float] | None) -> _Galaxy:
    match, band = _ID.match(name), _BAND.fullmatch(name)
    galaxy_id = int(match[1]) if match and int(match[1]) <= MOST_ID else None
    letter = filter_of(band[1]) if band else None
    if inclinations is not None:
        return _Galaxy(name, galaxy_id, letter, inclinations.get(galaxy_id) if galaxy_id is not None else None)
    try:
        code = StampName.parse(name).code
    except SpacerInputError:
        code = 0
    return _Galaxy(name, galaxy_id, letter, float(code) if code >= LOWEST else None)


def _measured(msg: MeasureAxisRatiosMsg, files: Files, names: Sequence[str]) -> list[AxisRatio]:
    def measure(name: str) -> AxisRatio:
        try:
            data = files.read(name)
            light: NDArray[np.generic] = fits_light(data, name, msg.extension) if is_fits(name) else decoded(data, name)
        except SpacerInputError as error:
            # A package that is not there is no fault of the image.
            if isinstance(error, ImportError):
                raise
            return not_measured(str(error))
        return measured_axis_ratio(light, msg.method, msg.background, msg.seeing, msg.edge_on_ratio)

    concurrency = settings().storage_concurrency if files.is_far else thread_count()
    found: dict[str, AxisRatio] = {}
    for name, outcome in outcomes(measure, names, concurrency):
        if isinstance(outcome, SpacerError):
            raise outcome
        found[name] = outcome
        report("galaxies measured", len(found), len(names))
    return [found[name] for name in names]


def _errors(galaxies: Sequence[_Galaxy], found: Sequence[AxisRatio]) -> NDArray[np.float64]:
    return np.array(
        [
            one.inclination - galaxy.inclination
            for galaxy, one in zip(galaxies, found, strict=True)
            if galaxy.inclination is not None and one.flag != NOT_MEASURED
        ],
        np.float64,
    )


def _write(msg: MeasureAxisRatiosMsg, galaxies: Sequence[_Galaxy], found: Sequence[AxisRatio]) -> None:
    import pyarrow as pa

    fields = [("name", pa.string()), ("pgc", pa.int64()), ("filter", pa.string()), ("inc_m", pa.float64())]
    fields += [(name, pa.float64()) for name in AxisRatio._fields[:-2]]
    fields += [("flag", pa.int64()), ("reason", pa.string())]
    rows = [
        [Unreadable.of(galaxy.name, "").name, *galaxy[1:], *one] for galaxy, one in zip(galaxies, found, strict=True)
    ]
    columns = [[None if _is_nan(value) else value for value in column] for column in zip(*rows, strict=True)]
    table = pa.table(dict(zip([name for name, _ in fields], columns, strict=True)), pa.schema(fields))
    write_tables([(table, msg.table_loc)])


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
