"""The tasks that label chips by files of one's own: features and masks."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.labels.label_rules import check_label
from spacer_like.chips.messages.label_sources import (
    LabelFromFeaturesMsg,
    LabelFromFeaturesReturnMsg,
    LabelFromMaskMsg,
    LabelFromMaskReturnMsg,
)
from spacer_like.chips.rasters.raster import source_name
from spacer_like.chips.tasks.opened_raster import check_rasters, opened_raster
from spacer_like.chips.tasks.opened_tile import without_secrets
from spacer_like.chips.tasks.score_maps import manifests_in
from spacer_like.exceptions import DataLimitError, MapDataError, SpacerInputError
from spacer_like.extras import import_extra
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.storage import exists, open_file, read_bytes, read_range, storage_factory
from spacer_like.storage.unfinished_files import temporary_folder
from spacer_like.tables.label_table import MOST_LABELS
from spacer_like.tables.writing import check_endings, growing_table, write_tables

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from spacer_like.chips.labels.footprints import Footprints
    from spacer_like.chips.labels.vector_labels import FeatureLabels
    from spacer_like.chips.labels.vector_layer import Box, VectorLayer
    from spacer_like.location import DataLocation

_MOST_VALUES = 2**31
_MOST_SHOWN = 100
_MOST_COPIED = 2**32
_COPIED_AT_ONCE = 2**22


@task
def label_from_features(msg: LabelFromFeaturesMsg) -> LabelFromFeaturesReturnMsg:
    """Label chips by the features of a vector file that lie in them.

    Raises:
        MapDataError: the file is of another format or damaged, has no such layer or attribute, does not say its
            projection, or has a value that cannot be a label.
        DataNotFoundError: there is no such file, or no manifest.
        TableError: a manifest is malformed, or a table's name has an unknown ending.
        SpacerInputError: no chip counts.
        DataLimitError: chips, labels or the features' points are too many.
        MissingExtraError: packages of the extra `geo` are not installed.
    """
    start = time.perf_counter()
    import_extra("shapely", "Labelling chips by features", "geo")
    from spacer_like.chips.labels.footprints import footprints_of
    from spacer_like.chips.labels.outlines import OUTLINE_SCHEMA

    outlines = [] if msg.outlines_loc is None else [msg.outlines_loc]
    check_endings([*msg.sparse_locs, *msg.dense_locs, *msg.shares_locs, *outlines])
    chips = footprints_of(manifests_in(msg.chips_loc), msg.partial_data, msg.chips_loc.display_name)
    names = [name for one in chips for name in one.names]
    with (
        _local_file(msg.features_loc) as (path, name),
        growing_table(OUTLINE_SCHEMA, outlines) as append,
    ):
        found = _Found(msg, chips, _layer(msg, path, name))
        found.read(append if outlines else None)
        labels = found.label_names()
        counted = _write(msg, names, labels, *found.tables(labels))
    return LabelFromFeaturesReturnMsg(
        **counted,
        n_features=found.n_features,
        n_without_geometry=found.n_without_geometry,
        n_without_value=found.n_without_value,
        runtime=time.perf_counter() - start,
    )


@task
def label_from_mask(msg: LabelFromMaskMsg) -> LabelFromMaskReturnMsg:
    """Label chips by a raster of classes.

    Raises:
        TileError: GDAL cannot read the mask, or it is no raster of classes.
        MapDataError: the names are malformed.
        DataNotFoundError: there is no such mask, or no manifest.
        TableError: a manifest is malformed, or a table's name has an unknown ending.
        SpacerInputError: no chip counts, or the mask has data of none.
        MissingExtraError: packages of the extra `geo` are not installed.
    """
    start = time.perf_counter()
    import_extra("shapely", "Labelling chips by a mask", "geo")
    from spacer_like.chips.labels.footprints import footprints_of
    from spacer_like.chips.labels.mask_labels import check_mask, class_counts

    check_endings([*msg.sparse_locs, *msg.dense_locs, *msg.shares_locs])
    check_rasters([msg.mask_loc])
    chips = footprints_of(manifests_in(msg.chips_loc), msg.partial_data, msg.chips_loc.display_name)
    names = [name for one in chips for name in one.names]
    classes = _class_names(msg)
    counts: list[dict[int, int]] = []
    with opened_raster(msg.mask_loc) as (dataset, raster):
        check_mask(raster, msg.band)
        for one in chips:
            for found in class_counts(dataset, raster, msg.band, one):
                counts.append(found)
                if len(counts) % 64 == 0:
                    report("chips of a mask", len(counts), len(names))
    report("chips of a mask", len(names), len(names))
    kept = [row for row, found in enumerate(counts) if found]
    if not kept:
        raise SpacerInputError(f"The mask '{raster.name}' has no data of any of the {len(names)} chips.")
    values = sorted({value for found in counts for value in found})
    if classes is None:
        classes = {value: str(value) for value in values}
    labels, shares = _class_shares([counts[row] for row in kept], classes)
    targets = shares > 0 if msg.min_share is None else shares >= msg.min_share
    counted = _write(msg, [names[row] for row in kept], labels, targets, shares)
    return LabelFromMaskReturnMsg(
        **counted,
        n_without_data=len(names) - len(kept),
        unnamed=[value for value in values if value not in classes][:_MOST_SHOWN],
        runtime=time.perf_counter() - start,
    )


def _class_names(msg: LabelFromMaskMsg) -> dict[int, str] | None:
    """The names of the mask's values; None: they have none."""
    from spacer_like.chips.labels.mask_labels import names_beside, names_in

    if msg.names_loc is not None:
        return names_in(read_bytes(msg.names_loc), msg.names_loc.display_name)
    if msg.mask_loc.storage_type == "url":
        return None
    beside = _sibling(msg.mask_loc, f"{msg.mask_loc.filename}.aux.xml")
    return names_beside(read_bytes(beside), msg.band, beside.display_name) if exists(beside) else None


def _class_shares(counts: Sequence[dict[int, int]], classes: dict[int, str]) -> tuple[list[str], NDArray[np.float64]]:
    """The labels, and the share of each in the pixels of each chip that have data: [chips, labels]."""
    labels = sorted(set(classes.values()))
    _check_size(len(counts), len(labels))
    column = {value: labels.index(name) for value, name in classes.items()}
    shares = np.zeros((len(counts), len(labels)))
    for row, found in enumerate(counts):
        whole = sum(found.values())
        for value, count in found.items():
            if value in column:
                shares[row, column[value]] += count / whole
    return labels, np.minimum(shares, 1.0)


def _layer(msg: LabelFromFeaturesMsg, path: str, name: str) -> VectorLayer:
    from spacer_like.chips.labels.vector_layer import open_layer

    return open_layer(path, name, msg.layer, msg.attribute, msg.crs)


class _Found:
    """What features say of all chips.

    Attributes:
        n_features, n_without_geometry, n_without_value: as in the answer.
    """

    def __init__(self, msg: LabelFromFeaturesMsg, chips: Sequence[Footprints], layer: VectorLayer) -> None:
        self._msg, self._chips, self._layer = msg, chips, layer
        wants_shares = msg.min_share is not None or bool(msg.shares_locs)
        self._of = [_feature_labels(one, layer, wants_shares) for one in chips]
        # Without an attribute a layer has one label.
        self._label = msg.label or source_name(without_secrets(msg.features_loc).filename)
        check_label(self._label, layer.name)
        self.n_features = self.n_without_geometry = self.n_without_value = 0

    def read(self, append: Callable[[pa.Table], None] | None) -> None:
        """Read all features, and append the outlines of those that lie in chips."""
        from spacer_like.chips.labels.outlines import outline_rows

        wanted = None if self._msg.labels is None else set(self._msg.labels)
        first = 0
        for shapes, values in self._layer.features(self._box()):
            texts = [self._label] * len(shapes) if self._msg.attribute is None else values
            kept = [row for row, text in enumerate(texts) if text is not None and (wanted is None or text in wanted)]
            self.n_features += len(kept)
            self.n_without_value += sum(text is None for text in texts)
            numbers = first + np.array(kept, np.int64)
            missing = []
            for chips, one in zip(self._chips, self._of, strict=True):
                before = one.n_without_geometry
                found = one.add(shapes[kept], [str(texts[row]) for row in kept], numbers, append is not None)
                missing.append(one.n_without_geometry - before)
                if found is not None and append is not None:
                    append(outline_rows(found, chips.names))
            self.n_without_geometry += min(missing)
            first += len(shapes)
            report("features", first, first)

    def _box(self) -> Box | None:
        """Where features are looked for; None: everywhere."""
        boxes = [box for one in self._of for box in one.boxes]
        if any(len(one.boxes) > 1 for one in self._of):
            return None
        west, south = (min(box[side] for box in boxes) for side in (0, 1))
        east, north = (max(box[side] for box in boxes) for side in (2, 3))
        return west, south, east, north

    def label_names(self) -> list[str]:
        if self._msg.labels is not None:
            return sorted(set(self._msg.labels))
        if self._msg.attribute is None:
            return [self._label]
        labels = sorted({label for one in self._of for label in one.labels})
        if not labels:
            raise MapDataError(f"No feature of '{self._layer.name}' near the chips has a value of the attribute.")
        return labels

    def tables(self, labels: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
        """Whether each chip has each label, and the shares where they are wanted: [chips, labels]."""
        _check_size(sum(len(one.names) for one in self._chips), len(labels))
        targets = np.concatenate([one.counts(labels) for one in self._of]) >= self._msg.min_count
        if not self._of[0].wants_shares:
            return targets, None
        shares = np.concatenate([one.shares(labels) for one in self._of])
        if self._msg.min_share is not None:
            targets &= shares >= self._msg.min_share
        return targets, shares


def _feature_labels(chips: Footprints, layer: VectorLayer, wants_shares: bool) -> FeatureLabels:
    from spacer_like.chips.labels.vector_labels import FeatureLabels

    make = partial(FeatureLabels, chips, wants_shares=wants_shares, name=layer.name)
    if chips.crs is None and layer.crs is None:
        return make()
    if layer.crs is None:
        raise MapDataError(f"The features '{layer.name}' do not say in which projection they are: give crs.")
    if chips.crs is None:
        raise SpacerInputError(
            f"The raster of the chips does not say where it lies, and the features '{layer.name}' do: they cannot be "
            "brought together."
        )
    from pyproj import CRS, Transformer

    target = CRS.from_user_input(chips.crs)
    geographic = bool(layer.crs.is_geographic)
    if layer.crs.equals(target, ignore_axis_order=True):
        return make(is_geographic=geographic)
    there = Transformer.from_crs(layer.crs, target, always_xy=True)
    return make(partial(_transformed, there, False), partial(_transformed, there, True), geographic)


def _transformed(transformer: Any, backwards: bool, points: NDArray[np.float64]) -> NDArray[np.float64]:
    direction = "INVERSE" if backwards else "FORWARD"
    return np.stack(transformer.transform(points[:, 0], points[:, 1], direction=direction), axis=1)


def _check_size(n_chips: int, n_labels: int) -> None:
    if n_chips * n_labels > _MOST_VALUES or n_labels > MOST_LABELS:
        raise DataLimitError(
            f"A table of {n_chips} chips and {n_labels} labels is too large: make several, or one of fewer labels."
        )


def _write(
    msg: LabelFromFeaturesMsg | LabelFromMaskMsg,
    names: Sequence[str],
    labels: Sequence[str],
    targets: NDArray[np.bool_],
    shares: NDArray[np.float64] | None,
) -> dict[str, Any]:
    """Write the tables, by the chips' names; returns the counts of the answer."""
    import pyarrow as pa

    from spacer_like.tables.label_table import FEATURE, LabelTable

    order = sorted(range(len(names)), key=names.__getitem__)
    table = LabelTable([names[row] for row in order], tuple(labels), targets[order])
    outputs = [(table.sparse(), loc) for loc in msg.sparse_locs]
    outputs += [(table.dense(), loc) for loc in msg.dense_locs]
    if msg.shares_locs and shares is not None:
        columns = {label: pa.array(shares[order, index]) for index, label in enumerate(labels)}
        outputs += [(pa.table({FEATURE: pa.array(table.names), **columns}), loc) for loc in msg.shares_locs]
    write_tables(outputs)
    n_without_label = int(np.count_nonzero(~targets.any(axis=1)))
    return {"n_chips": len(names), "n_without_label": n_without_label, "counts": table.counts()}


@contextmanager
def _local_file(loc: DataLocation) -> Iterator[tuple[str, str]]:
    """A path of the file at a location, which is a copy where it does not lie on this machine, and its name."""
    from spacer_like.chips.labels.vector_layer import SIDE_FILES

    name = without_secrets(loc).display_name
    # Refuses what is missing, and what is no ordinary file.
    read_range(loc, 0, 1)
    if loc.storage_type == "filesystem":
        yield os.path.abspath(loc.key), name
        return
    with temporary_folder() as folder:
        stem, ending = os.path.splitext(without_secrets(loc).filename)
        beside = SIDE_FILES if ending.lower() == ".shp" and loc.storage_type != "url" else ()
        for one, wanted in [(loc, ending), *((_sibling(loc, f"{stem}{side}"), side) for side in beside)]:
            if one is loc or exists(one):
                _copy(one, folder / f"features{wanted.lower()}", name)
        yield str(folder / f"features{ending.lower()}"), name


def _sibling(loc: DataLocation, filename: str) -> DataLocation:
    folder, slash, _ = loc.key.rpartition("/")
    return type(loc)(loc.storage_type, f"{folder}{slash}{filename}", loc.bucket_name)


def _copy(loc: DataLocation, path: Any, name: str) -> None:
    if storage_factory(loc.storage_type, loc.bucket_name).size(loc.key) > _MOST_COPIED:
        raise DataLimitError(f"The features '{name}' are larger than {_MOST_COPIED // 2**30} GiB: copy them here.")
    with open_file(loc) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target, _COPIED_AT_ONCE)
