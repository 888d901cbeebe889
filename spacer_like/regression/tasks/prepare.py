"""The task that prepares images of galaxies."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from spacer_like.config import settings
from spacer_like.cores import thread_count
from spacer_like.exceptions import CollectionError, SpacerError, SpacerInputError
from spacer_like.extras import import_extra
from spacer_like.images.files import Files, open_files
from spacer_like.message_base import Unreadable, none_of
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.regression.catalog import Catalog, CatalogRow, read_catalog
from spacer_like.regression.labels import StampName, band_of, counted_labels, found_images
from spacer_like.regression.messages import CatalogFault, PrepareImagesMsg, PrepareImagesReturnMsg
from spacer_like.regression.stamps import is_fits, prepared_pixels, stamp_bytes
from spacer_like.storage import delete, list_keys, read_bytes, write_bytes
from spacer_like.storage.base import outcomes
from spacer_like.tables.failures import MOST_ANSWERED, write_failures
from spacer_like.tables.writing import check_endings

if TYPE_CHECKING:
    from spacer_like.location import DataLocation


@task
def prepare_images(msg: PrepareImagesMsg) -> PrepareImagesReturnMsg:
    """Prepare the images of a catalog's galaxies; one that cannot be is reported, and the others are prepared.

    An earlier image of a galaxy under another label is deleted.

    Raises:
        CollectionError: no galaxy has an image, or none of the images can be prepared.
        TableError: no catalog, or the name of the table of failures has an unknown ending.
        DataNotFoundError: there is no catalog, or no folder.
        MissingExtraError: there are FITS files, and astropy is not installed.
    """
    start = time.perf_counter()
    check_endings([msg.failures_loc] if msg.failures_loc else [])
    catalog = read_catalog(read_bytes(msg.catalog_loc), msg.catalog_loc.display_name)
    with open_files(msg.images_loc) as files:
        names = found_images(files.names, msg.root, msg.band)
        rows = [row for row in catalog.rows if row.id in names]
        _check(msg, catalog, files, names, rows)
        folder = msg.out_loc.below(f"{msg.size}x{msg.size}_{band_of(msg.band)}")
        reasons = _prepare(msg, files, names, rows, folder)
    written = [row for row in rows if row.id not in reasons]
    failed = [Unreadable.of(names[row.id], reasons[row.id]) for row in rows if row.id in reasons]
    if not written:
        raise CollectionError(none_of(failed, f"image in '{msg.images_loc.display_name}'", "be prepared"))
    _delete_others(folder, [_stamp(msg, row) for row in written])
    if msg.failures_loc is not None:
        write_failures(msg.failures_loc, failed)
    return _answer(msg, catalog, names, written, failed, time.perf_counter() - start)


def _check(
    msg: PrepareImagesMsg, catalog: Catalog, files: Files, names: dict[int, str], rows: Sequence[CatalogRow]
) -> None:
    """Refuse what cannot be done, before the work."""
    if not catalog.rows:
        faults = catalog.faults
        why = (
            f"the first of {catalog.n_faults}, in line {faults[0].line}: {faults[0].reason}"
            if faults
            else "there is none."
        )
        raise CollectionError(f"No row of the catalog '{msg.catalog_loc.display_name}' is a galaxy; {why}")
    if not rows:
        found = f"The {len(names)} images of this band there are of others." if names else ""
        raise CollectionError(
            f"None of the galaxies of the catalog '{msg.catalog_loc.display_name}' has an image in "
            f"'{files.name}': names must be like pgc44182_{msg.root}_{msg.band}.png. {found}".strip()
        )
    if any(is_fits(names[row.id]) for row in rows):
        import_extra("astropy.io.fits", "Reading FITS", "galaxies")


def _prepare(
    msg: PrepareImagesMsg, files: Files, names: dict[int, str], rows: Sequence[CatalogRow], folder: DataLocation
) -> dict[int, str]:
    """Write the prepared images; the reasons of those that cannot be, by the galaxy's id."""

    def prepare(row: CatalogRow) -> str | None:
        name = names[row.id]
        try:
            data = files.read(name)
            pixels = prepared_pixels(data, name, msg.size, msg.band, extension=msg.extension)
        except SpacerInputError as error:
            # A package that is not there is no fault of the image.
            if isinstance(error, ImportError):
                raise
            return str(error)
        write_bytes(folder.below(str(_stamp(msg, row))), stamp_bytes(pixels, msg.format))
        return None

    is_far = files.is_far or msg.out_loc.is_remote
    reasons: dict[int, str] = {}
    concurrency = settings().storage_concurrency if is_far else thread_count()
    with closing(outcomes(prepare, rows, concurrency)) as made:
        for done, (row, outcome) in enumerate(made, 1):
            if isinstance(outcome, SpacerError):
                raise outcome
            if outcome is not None:
                reasons[row.id] = outcome
            report("images prepared", done, len(rows))
    return reasons


def _stamp(msg: PrepareImagesMsg, row: CatalogRow) -> StampName:
    return StampName(row.id, msg.size, row.label, band_of(msg.band), msg.format)


def _delete_others(folder: DataLocation, stamps: Sequence[StampName]) -> None:
    """Delete images of these galaxies that an earlier catalog gave another label: nobody could tell which holds."""
    label_of = {(stamp.id, stamp.size, stamp.band, stamp.ending): stamp.label for stamp in stamps}
    begin = folder.below("")
    for loc in list_keys(begin):
        try:
            stamp = StampName.parse(loc.key.removeprefix(begin.key))
        except SpacerInputError:
            continue
        if label_of.get((stamp.id, stamp.size, stamp.band, stamp.ending), stamp.label) != stamp.label:
            delete(loc)


def _answer(
    msg: PrepareImagesMsg,
    catalog: Catalog,
    names: dict[int, str],
    written: Sequence[CatalogRow],
    failed: Sequence[Unreadable],
    runtime: float,
) -> PrepareImagesReturnMsg:
    missing = [row.id for row in catalog.rows if row.id not in names]
    return PrepareImagesReturnMsg(
        folder=f"{msg.size}x{msg.size}_{band_of(msg.band)}",
        n_galaxies=len(catalog.rows),
        n_written=len(written),
        labels=counted_labels(row.code for row in written),
        n_missing=len(missing),
        missing=missing[:MOST_ANSWERED],
        n_failed=len(failed),
        failed=list(failed[:MOST_ANSWERED]),
        n_unlisted=len(names.keys() - {row.id for row in catalog.rows}),
        n_faults=catalog.n_faults,
        faults=[CatalogFault(line=fault.line, reason=fault.reason) for fault in catalog.faults],
        runtime=runtime,
    )
