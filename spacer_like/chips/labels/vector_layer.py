"""Features of vector files: GeoJSON, GeoPackage, Shapefile and GeoParquet, batch by batch; needs shapely and pyproj.

A file is read by the one reader of its format, whatever else GDAL might take it for, and names no other file or host to
be read.
"""

from __future__ import annotations

import json
import mmap
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import DataLimitError, MapDataError, damage_as, nearest
from spacer_like.extras import import_extra
from spacer_like.storage.ordinary_files import open_ordinary

SIDE_FILES = (".shx", ".dbf", ".prj", ".cpg")
"""Beside a Shapefile, and parts of it."""
MOST_BYTES = 2**34
_START = 512
_AT_A_TIME = 4096
_MOST_BATCH_BYTES = 2**30
_MOST_GEO = 2**24
_MOST_ROWS_PER_BYTE = 64
_MOST_PROJECTION = 2**16
# What JSON escapes hide nothing: letters that are written as letters.
_HIDDEN = re.compile(rb"\\u00(4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])", re.IGNORECASE)
_PROJECTION = re.compile(rb"[\"']crs[\"']\s*:\s*", re.IGNORECASE)

Box = tuple[float, float, float, float]


class Features(NamedTuple):
    """Some features of a layer.

    Fields:
        shapes: of shapely, object [n]; None where there is none, or none that can be read.
        values: of the attribute, as texts; None where there is none.
    """

    shapes: NDArray[np.object_]
    values: list[str | None]


@dataclass(frozen=True)
class VectorLayer:
    """A layer of a vector file.

    Attributes:
        name: what errors call the file.
        crs: its projection, pyproj's; None: the file does not say it.
    """

    name: str
    crs: Any
    _path: str
    _layer: str | None
    _geometry: str | None
    _attribute: str | None
    _is_parquet: bool

    def features(self, box: Box | None = None) -> Iterator[Features]:
        """The features, as many as are read at once.

        Args:
            box: west, south, east and north in the layer's projection: features beyond it may be left out.

        Raises:
            MapDataError: the file is damaged.
            DataLimitError: a feature is too large.
        """
        read = self._parquet_batches() if self._is_parquet else self._gdal_batches(box)
        with damage_as(MapDataError, self.name, f"The features '{self.name}' cannot be read"):
            for batch in read:
                if batch.nbytes > _MOST_BATCH_BYTES:
                    raise DataLimitError(f"'{self.name}' has features of more than {_MOST_BATCH_BYTES // 2**20} MiB.")
                yield self._of(batch)

    def _gdal_batches(self, box: Box | None) -> Iterator[Any]:
        from pyogrio.raw import open_arrow

        columns = [] if self._attribute is None else [self._attribute]
        options: dict[str, Any] = {"bbox": box, "layer": self._layer, "columns": columns, "batch_size": _AT_A_TIME}
        with _quiet(), open_arrow(self._path, use_pyarrow=True, **options, **_options(self._path)) as (_, reader):
            yield from reader

    def _parquet_batches(self) -> Iterator[Any]:
        from pyarrow.parquet import ParquetFile

        columns = [name for name in (self._attribute, self._geometry) if name is not None]
        with ParquetFile(self._path) as file:
            yield from file.iter_batches(batch_size=_AT_A_TIME, columns=columns)

    def _of(self, batch: Any) -> Features:
        import shapely

        names = batch.schema.names
        geometry = self._geometry or next(name for name in names[::-1] if name != self._attribute)
        wkb = np.array(batch.column(names.index(geometry)).to_pylist(), object)
        shapes = shapely.from_wkb(wkb, on_invalid="ignore")
        if self._attribute is None:
            return Features(shapes, [None] * len(shapes))
        values = batch.column(names.index(self._attribute)).to_pylist()
        return Features(shapes, [_text(value) for value in values])


def open_layer(path: str, name: str, layer: str | None, attribute: str | None, crs: str | None) -> VectorLayer:
    """The layer of a local file.

    Args:
        path: of an ordinary file.
        name: what errors call it.
        layer: of a GeoPackage; None: its only one.
        attribute: whose values are wanted; None: of none.
        crs: the projection of a file that does not say it.

    Raises:
        MapDataError: the file is of another format or damaged, or has no such layer or attribute.
        MissingExtraError: packages of the extra `geo` are not installed.
    """
    for package in ("pyogrio", "pyproj", "shapely"):
        import_extra(package, "Reading features", "geo")
    size = Path(path).stat().st_size
    if size > MOST_BYTES:
        raise DataLimitError(f"The features '{name}' are larger than {MOST_BYTES // 2**30} GiB: they are not read.")
    with damage_as(MapDataError, name, f"The features '{name}' cannot be read"):
        if _format(path, name) == "parquet":
            geometry, names, own = _parquet_layer(path, name, size)
            found = VectorLayer(name, None, path, None, geometry, attribute, True)
        else:
            source = _source(path, name)
            layer = _chosen_layer(source, name, layer)
            names, own = _described(source, layer)
            found = VectorLayer(name, None, source, layer, None, attribute, False)
        if attribute is not None and attribute not in names:
            known = nearest(attribute, names) or f" It has {', '.join(names[:10]) or 'none'}."
            raise MapDataError(f"The features '{name}' have no attribute '{attribute}'.{known}")
        return VectorLayer(**{**vars(found), "crs": _projection(crs, name) if own is None else own})


def _source(path: str, name: str) -> str:
    """What GDAL opens as the file at a path, and as nothing else."""
    from pyogrio.util import vsi_path

    source = f"GeoJSON:{path}" if _format(path, name) == "json" else path
    if vsi_path(source) != source:
        raise MapDataError(f"'{name}' has a name that would be taken for an address: call it otherwise.")
    return source


def _format(path: str, name: str) -> str:
    with open_ordinary(path) as file:
        start = file.read(_START)
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"SQLite format 3\0") and path.lower().endswith(".gpkg"):
        return "geopackage"
    if start.startswith(bytes.fromhex("0000270a")) and path.lower().endswith(".shp"):
        return "shapefile"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        _check_json(path, name)
        return "json"
    raise MapDataError(
        f"'{name}' holds no features that can be read: these are GeoJSON, GeoPackage (.gpkg), GeoParquet and Shapefile "
        "(.shp)."
    )


def _check_json(path: str, name: str) -> None:
    """Refuse a text that names its projection by a link, which GDAL would follow, or that hides such a name."""
    with open_ordinary(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        if _HIDDEN.search(text):
            raise MapDataError(f"The features '{name}' have letters written as numbers: they are not read.")
        for found in _PROJECTION.finditer(text):
            value = text[found.end() : found.end() + _MOST_PROJECTION].decode("utf-8", "replace")
            try:
                projection, _ = json.JSONDecoder().raw_decode(value)
            except ValueError:
                projection = {"type": None}
            kind = projection.get("type") if isinstance(projection, dict) else "name"
            if not isinstance(kind, str) or kind.lower() not in ("name", "epsg"):
                raise MapDataError(
                    f"The features '{name}' do not name their projection, but a link to it, which is not followed."
                )


def _chosen_layer(source: str, name: str, wanted: str | None) -> str:
    from pyogrio import list_layers

    with _quiet():
        listed = [(str(layer), kind) for layer, kind in list_layers(source).tolist()]
    layers = [layer for layer, kind in listed if kind is not None]
    if wanted is None:
        if len(layers) == 1:
            return layers[0]
        shown = ", ".join(layers[:10])
        raise MapDataError(
            f"'{name}' has {len(layers)} layers: say which of {shown}." if layers else f"'{name}' has no features."
        )
    if wanted not in layers:
        raise MapDataError(f"'{name}' has no layer '{wanted}'.{nearest(wanted, layers)}")
    return wanted


def _described(source: str, layer: str) -> tuple[list[str], Any]:
    """Attributes and projection of a layer that GDAL reads."""
    from pyogrio import read_info

    with _quiet():
        info = read_info(source, layer=layer, **_options(source))
    return [str(field) for field in info["fields"]], _crs_of(info["crs"])


def _parquet_layer(path: str, name: str, size: int) -> tuple[str, list[str], Any]:
    """Column of the geometry, attributes and projection of GeoParquet, see https://geoparquet.org/releases/v1.1.0."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        text = (file.metadata.metadata or {}).get(b"geo")
        names, n_rows = file.schema_arrow.names, file.metadata.num_rows
    if text is None or len(text) > _MOST_GEO:
        raise MapDataError(f"'{name}' is Parquet, but not GeoParquet: nothing says which column holds geometries.")
    if n_rows > _MOST_ROWS_PER_BYTE * size:
        raise DataLimitError(f"'{name}' announces {n_rows} features in {size} bytes: it is not read.")
    described = json.loads(text)
    geometry = described["primary_column"]
    column = described["columns"][geometry]
    if names.count(geometry) != 1 or column["encoding"] != "WKB":
        raise MapDataError(f"The geometries of '{name}' must be one column in WKB: {str(column['encoding'])[:40]}.")
    attributes = [one for one in names if one != geometry]
    return geometry, attributes, _crs_of(column.get("crs", "OGC:CRS84"))


def _crs_of(value: Any) -> Any:
    from pyproj import CRS

    return None if value is None else CRS.from_user_input(value)


def _projection(text: str | None, name: str) -> Any:
    from pyproj.exceptions import CRSError

    try:
        return _crs_of(text)
    except CRSError:
        raise MapDataError(f"'{text}' is no projection that '{name}' may have: give one like EPSG:4326.") from None


def _options(source: str) -> dict[str, str]:
    # SQLite would write beside a file that others may have open.
    return {"IMMUTABLE": "YES"} if source.lower().endswith(".gpkg") else {}


@contextmanager
def _quiet() -> Iterator[None]:
    """GDAL's warnings, such as of geometries of several kinds, are not the user's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _text(value: Any) -> str | None:
    """A value as a label's text; whole numbers have no point."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() or None


def boxes_of(points: NDArray[np.float64], is_geographic: bool) -> Sequence[Box]:
    """The box around points [n, 2]; two boxes beside the 180th meridian, where one would go around the earth."""
    west, south = points.min(axis=0).tolist()
    east, north = points.max(axis=0).tolist()
    if not is_geographic or east - west <= 180:
        return [(west, south, east, north)]
    turned = points[:, 0] % 360
    if turned.max() - turned.min() >= 180:
        return [(west, south, east, north)]
    return [(float(turned.min()), south, 180.0, north), (-180.0, south, float(turned.max()) - 360, north)]
