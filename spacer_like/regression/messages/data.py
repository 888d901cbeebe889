"""Messages about images of galaxies and the files to train on that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr
from typing_extensions import Doc, Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Folder,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    Seed,
    TextLike,
    Unreadable,
    WritableFolder,
    WritableLocation,
)

Band = Literal["g", "r", "i", "gri"]
"""A band of one filter, or colour."""
Size = Annotated[StrictInt, Field(ge=1, le=4096)]
CatalogLocation = Annotated[
    Location,
    Doc("the catalog: text with a row of names, ``|`` between cells or CSV, with pgc, inc, inc_flg, fon, inc_note."),
]
GalaxyImagesLocation = Annotated[
    Location,
    Folder(r"(?i).+\.(jpe?g|png|npy|fits?|zip|tar|tgz|gz)$"),
    Doc("the images: a folder or prefix, or an archive (.zip, .tar, .tar.gz)."),
]
Layout = Annotated[
    Literal["npz", "npy"],
    Doc(
        "kind of the files: ``npz``, as InclinET writes them, or ``npy``, arrays that can be mapped instead of read, "
        "each with a table ``.csv`` of ids, codes and filters beside it."
    ),
]


def index_beside(loc: DataLocation) -> DataLocation:
    """The location of the table that belongs to an ``.npy``."""
    key, mark, query = loc.key.partition("?") if loc.storage_type == "url" else (loc.key, "", "")
    return DataLocation(loc.storage_type, f"{key[:-4]}.csv{mark}{query}", loc.bucket_name)


def indexes_beside(locs: Iterable[DataLocation]) -> dict[str, DataLocation]:
    """The tables that are read with those of the files that are ``.npy``, by their names in errors."""
    mapped = (loc for loc in locs if loc.filename.lower().endswith(".npy"))
    return {f"the table of {loc.filename}, number {number},": index_beside(loc) for number, loc in enumerate(mapped, 1)}


class PrepareImagesMsg(Message, Answered["PrepareImagesReturnMsg"]):
    """Prepare the images of a catalog's galaxies: of one band, square, of one size, with the label in the name.

    The name of an image is ``pgc<id>_<root>_<band>.png``, or ends with .jpg, .fits, .fit or .fits.gz; of colour it is
    ``pgc<id>_<root>_gri.sdss.jpg``, or ends with .jpg, .png, .fits, .fit or .fits.gz. Of two the first in this order
    counts.

    Fields:
        out_loc: the folder where the prepared images go, as
            ``<size>x<size>_<band>/pgc<id>_<size>x<size>_<label>.<band>.<format>`` with RGB for the band ``gri``.
        band: which images are prepared; ``gri`` are those of colour.
        size: width and height of the prepared images in pixels.
        root: what stands in the images' names between the id and the band.
        format: format of the prepared images: ``jpg``, as InclinET writes them, or ``png`` or ``npy``, which lose
            nothing.
        extension: the number of the image among the parts of a FITS file, from 0; None: there is one, or of colour
            three.
        failures_loc: where a table of the images that could not be prepared goes, CSV or Parquet; None: they are only
            answered.
    """

    task: ClassVar[str] = "prepare_images"

    images_loc: GalaxyImagesLocation
    catalog_loc: CatalogLocation
    out_loc: WritableFolder
    band: Band = "g"
    size: Size = 128
    root: Annotated[StrictStr, TextLike(r"[^/\\\0]{1,100}$", "a part of a file's name, without a slash")] = "d25x2_rot"
    format: Literal["jpg", "png", "npy"] = "jpg"
    extension: Annotated[StrictInt, Field(ge=0, le=999)] | None = None
    failures_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            images_loc=DataLocation("memory", "galaxies"),
            catalog_loc=DataLocation("memory", "catalog.csv"),
            out_loc=DataLocation("memory", "prepared"),
        )


class CatalogFault(ReturnMessage):
    """A row of a catalog that was left out.

    Fields:
        line: its number in the file, from 1.
        reason: what is wrong with it.
    """

    line: int
    reason: str


class PrepareImagesReturnMsg(ReturnMessage):
    """What was prepared.

    Fields:
        folder: where the prepared images are, below `out_loc`.
        n_galaxies: galaxies in the catalog.
        n_written: images that were prepared.
        labels: number of these with an inclination, seen face-on, and rejected, by these words.
        n_missing: galaxies without an image.
        missing: the ids of the first 1,000 of them.
        n_failed: images that could not be prepared.
        failed: the first 1,000 of them.
        n_unlisted: images of galaxies that the catalog does not have.
        n_faults: rows of the catalog that were left out.
        faults: the first 1,000 of them.
    """

    folder: str
    n_galaxies: int
    n_written: int
    labels: dict[str, int]
    n_missing: int
    missing: list[int]
    n_failed: int
    failed: list[Unreadable]
    n_unlisted: int
    n_faults: int
    faults: list[CatalogFault]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            folder="128x128_g",
            n_galaxies=4,
            n_written=2,
            labels={"inclination": 1, "face_on": 1, "rejected": 0},
            n_missing=1,
            missing=[44182],
            n_failed=1,
            failed=[Unreadable(name="pgc2_d25x2_rot_g.png", reason="The image is damaged.")],
            n_unlisted=0,
            n_faults=0,
            faults=[],
            runtime=0.5,
        )


class PackDatasetMsg(Message, Answered["PackDatasetReturnMsg"]):
    """Pack prepared images of one band and size into one file, ``<size>x<size>_<band>.npz`` or ``.npy``, sorted by id.

    Files that end neither with .jpg nor .png nor .npy are passed over; another name than `prepare_images` gives is
    refused.

    Fields:
        out_loc: the folder where the file goes.
        size: the width and height that the images must have; None: one for all of them.
    """

    task: ClassVar[str] = "pack_dataset"

    images_loc: GalaxyImagesLocation
    out_loc: WritableFolder
    size: Size | None = None
    layout: Layout = "npz"

    @classmethod
    def example(cls) -> Self:
        return cls(images_loc=DataLocation("memory", "prepared/128x128_g"), out_loc=DataLocation("memory", "packed"))


class PackDatasetReturnMsg(ReturnMessage):
    """What was packed.

    Fields:
        file: the name of the file below `out_loc`.
        n_images: images in it.
        labels: number of these with an inclination, seen face-on, and rejected, by these words.
        n_others: files that were passed over.
    """

    file: str
    n_images: int
    labels: dict[str, int]
    n_others: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        labels = {"inclination": 10, "face_on": 1, "rejected": 1}
        return cls(file="128x128_g.npz", n_images=12, labels=labels, n_others=0, runtime=0.1)


class SplitDatasetMsg(Message, Answered["SplitDatasetReturnMsg"]):
    """Split galaxies into those held out for the test and those to train on, and draw sub-samples of the latter.

    The galaxies of all bands are split once, by their ids, and every band's images follow. The files are
    ``<band>_<size>x<size>_test_000`` with the galaxies held out and ``_train_000`` with all others, and of each
    sub-sample, two thirds of these, ``_train_001`` and, with the rest, ``_test_001``, and so on.

    Fields:
        packed_locs: the file of `pack_dataset`, or of InclinET, of each band.
        out_loc: the folder where the files go; it must hold no other parts of a split of images of this size.
        held_out: the share of the galaxies that is held out; None: 0.10, or of the original split 0.15.
        least_inclination: only galaxies with this inclination or a larger one, in degrees, are used; with 0 all are,
            those seen face-on and rejected included.
        sub_samples: how many sub-samples are drawn.
        original: split as InclinET does: the galaxies of one band, the first given of r, i, g and gri, in the order of
            its file, by the seeds of InclinET; galaxies that only other bands have are trained on, and are in no
            sub-sample.
    """

    task: ClassVar[str] = "split_dataset"

    packed_locs: Annotated[dict[Band, Location], Field(min_length=1)]
    out_loc: WritableFolder
    held_out: Annotated[StrictFloat | StrictInt, Field(ge=0, lt=1)] | None = None
    least_inclination: Annotated[StrictInt, Field(ge=0, le=90)] = 45
    sub_samples: Annotated[StrictInt, Field(ge=0, le=100)] = 3
    seed: Seed = 0
    original: StrictBool = False
    layout: Layout = "npz"

    def implied_inputs(self) -> dict[str, DataLocation]:
        return indexes_beside(self.packed_locs.values())

    @classmethod
    def example(cls) -> Self:
        return cls(
            packed_locs={"r": DataLocation("memory", "packed/128x128_r.npz")}, out_loc=DataLocation("memory", "samples")
        )


class SplitDatasetReturnMsg(ReturnMessage):
    """The sizes of the parts.

    Fields:
        n_galaxies: galaxies that were split.
        n_left_out: galaxies below the least inclination.
        n_held_out: galaxies held out for the test.
        n_training: galaxies to train on.
        files: the number of images in each file, by its name below `out_loc`.
    """

    n_galaxies: int
    n_left_out: int
    n_held_out: int
    n_training: int
    files: dict[str, int]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        files = {"r_128x128_test_000.npz": 2, "r_128x128_train_000.npz": 10}
        return cls(n_galaxies=12, n_left_out=2, n_held_out=2, n_training=10, files=files, runtime=0.1)


class AugmentDatasetMsg(Message, Answered["AugmentDatasetReturnMsg"]):
    """Make a batch of changed images, in which every five degrees of inclination are equally frequent.

    Half of it is of colour, half grey, and half of the grey images are inverted. The file is
    ``Uset_<sub-sample>_npz/<size>x<size>_train_aug_<batch>``, with three and two digits.

    Fields:
        sample_locs: files of `split_dataset` of one sub-sample: those of its grey bands and that of colour.
        out_loc: the folder where the folder of the sub-sample goes.
        sub_sample: number of the sub-sample, 0 of all that is trained on; only the file's name depends on it.
        batch: number of the batch, from 0; every one of a seed is of other random numbers.
        per_bin: images of colour for each five degrees that have any, and as many grey ones.
        anisotropic_scale: scale both axes independently, as InclinET does, which changes the axis ratio by up to 1.5.
        grey_recipe_for_colour: change images of colour as grey ones, as InclinET does: without noise, and always with
            white corners.
        random_order: take the steps of a change in random order, as InclinET does, so that noise may be smoothed.
        by_class: let galaxies with an inclination and those without be equally frequent, in place of every five
            degrees, to learn which is which.
    """

    task: ClassVar[str] = "augment_dataset"

    sample_locs: Annotated[list[Location], Field(min_length=1)]
    out_loc: WritableFolder
    sub_sample: Annotated[StrictInt, Field(ge=0, le=999)] = 0
    batch: Annotated[StrictInt, Field(ge=0, le=99_999)] = 0
    per_bin: Annotated[StrictInt, Field(ge=1, le=100_000)] = 1000
    seed: Seed = 0
    anisotropic_scale: StrictBool = False
    grey_recipe_for_colour: StrictBool = False
    random_order: StrictBool = False
    by_class: StrictBool = False
    layout: Layout = "npz"

    def implied_inputs(self) -> dict[str, DataLocation]:
        return indexes_beside(self.sample_locs)

    @classmethod
    def example(cls) -> Self:
        samples = [DataLocation("memory", f"samples/{band}_128x128_train_000.npz") for band in ("g", "RGB")]
        return cls(sample_locs=samples, out_loc=DataLocation("memory", "augmented"))


class AugmentDatasetReturnMsg(ReturnMessage):
    """What the batch holds.

    Fields:
        file: the name of the file below `out_loc`.
        n_images: images in it.
        filters: number of images of each filter, by its letter; ``c`` is colour.
        bins: number of images of each five degrees of inclination, or of each class, by words.
    """

    file: str
    n_images: int
    filters: dict[str, int]
    bins: dict[str, int]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            file="Uset_000_npz/128x128_train_aug_00.npz",
            n_images=18,
            filters={"c": 9, "g": 3, "i": 3, "r": 3},
            bins={"45 to 50": 9, "81 to 85": 9},
            runtime=0.1,
        )
