"""Messages about made galaxies, and about what is measured of galaxies without a network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Message,
    ReturnMessage,
    Runtime,
    Seed,
    TextLike,
    Unreadable,
    WritableFolder,
    WritableLocation,
)
from spacer_like.regression.messages.data import Band, CatalogLocation, GalaxyImagesLocation

_Number = StrictFloat | StrictInt
_ALL_BANDS: tuple[Band, ...] = ("g", "r", "i", "gri")


class SimulateGalaxiesMsg(Message, Answered["SimulateGalaxiesReturnMsg"]):
    """Make images of galaxies of known inclination, with a catalog, as `prepare_images` takes them.

    The images are ``pgc<id>_<root>_<band>.png`` and, of colour, ``pgc<id>_<root>_gri.jpg``; the catalog, written last,
    has the degrees rounded in the column ``inc`` and as they are in ``inc_true``. A galaxy depends
    on the seed and its id alone: several requests can make parts of one collection, each in a folder of its own.

    Fields:
        out_loc: the folder where the images go.
        catalog_loc: where the catalog goes; None: ``catalog.txt`` in the folder of the images.
        count: how many galaxies are made.
        size: width and height of the images in pixels, twice the isophotal diameter of a galaxy of medium size.
        first_id: the id of the first galaxy; the others follow.
        least_inclination: degrees; inclinations are uniform from here to 90. Below 45 a galaxy is marked as face-on.
        rotated: whether the major axis is horizontal, as in images prepared for InclinET; false: it has any direction.
        randomised: whether that in which real images differ is drawn at random as well: spiral arms, dust, stars and
            neighbours, sharpness, noise, an uneven sky, size, stretch, colours and traces of JPEG.
        bands: which images are made; ``gri`` are those of colour.
        root: what stands in the images' names between the id and the band.
        fits: whether the counts above the sky go to FITS files beside the images, of colour with three planes.
    """

    task: ClassVar[str] = "simulate_galaxies"

    out_loc: WritableFolder
    catalog_loc: WritableLocation | None = None
    count: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 1000
    size: Annotated[StrictInt, Field(ge=16, le=2048)] = 128
    seed: Seed = 0
    first_id: Annotated[StrictInt, Field(ge=0, le=2**31 - 1_000_001)] = 1
    least_inclination: Annotated[_Number, Field(ge=0, le=90)] = 45
    rotated: StrictBool = True
    randomised: StrictBool = False
    bands: Annotated[list[Band], Field(min_length=1, max_length=4)] = Field(default_factory=lambda: list(_ALL_BANDS))
    root: Annotated[StrictStr, TextLike(r"[^/\\\0]{1,100}$", "a part of a file's name, without a slash")] = "d25x2_rot"
    fits: StrictBool = False

    @classmethod
    def example(cls) -> Self:
        return cls(out_loc=DataLocation("memory", "galaxies"), count=10)


class SimulateGalaxiesReturnMsg(ReturnMessage):
    """What was made.

    Fields:
        n_galaxies: galaxies that were made.
        n_files: files of images.
        labels: number of galaxies with an inclination, seen face-on, and rejected, by these words.
    """

    n_galaxies: int
    n_files: int
    labels: dict[str, int]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        labels = {"inclination": 10, "face_on": 0, "rejected": 0}
        return cls(n_galaxies=10, n_files=40, labels=labels, runtime=0.1)


class MeasureAxisRatiosMsg(Message, Answered["MeasureAxisRatiosReturnMsg"]):
    """Measure the axis ratio of the galaxy in the middle of each image, and its inclination by Hubble's formula.

    No network is used, and nothing is learned. An image that cannot be read or measured is a row with a reason.

    Fields:
        images_loc: images of any names: a folder or prefix, or an archive; a FITS file counts as the mean of its
            planes.
        table_loc: where the table goes, CSV or Parquet: name, pgc, filter, inc_m, semi_major and semi_minor in pixels,
            axis_ratio, position_angle in degrees from the x axis towards lower rows, inclination, x, y, quality (0 to
            1), flag (0 good, 1 doubtful, 2 not measured) and reason.
        catalog_loc: a catalog whose inclinations go to the column ``inc_m``; None: those of images' names, such as
            ``pgc44182_128x128_67.g.jpg``, do.
        method: ``isophotes``: ellipses of many levels decide; ``moments``: adaptive moments, which follow the bright
            inner part.
        background: the sky in the images' numbers, 0 where it was subtracted; None: estimated along the border.
        seeing: full width at half maximum of a star in pixels, which is taken off; 0: nothing is.
        edge_on_ratio: axis ratio of a galaxy seen from its edge, for the formula.
        extension: the number of the image among the parts of a FITS file, from 0; None: all of them.
    """

    task: ClassVar[str] = "measure_axis_ratios"

    images_loc: GalaxyImagesLocation
    table_loc: WritableLocation
    catalog_loc: CatalogLocation | None = None
    method: Literal["isophotes", "moments"] = "isophotes"
    background: Annotated[_Number, Field(ge=-1e9, le=1e9)] | None = None
    seeing: Annotated[_Number, Field(ge=0, le=1000)] = 0
    edge_on_ratio: Annotated[_Number, Field(ge=0, lt=1)] = 0.2
    extension: Annotated[StrictInt, Field(ge=0, le=999)] | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(images_loc=DataLocation("memory", "galaxies"), table_loc=DataLocation("memory", "axes.csv"))


class MeasureAxisRatiosReturnMsg(ReturnMessage):
    """How many images were measured, and how well.

    Fields:
        n_images: rows of the table.
        n_good: measurements that are not doubted.
        n_doubtful: measurements in which isophotes are no ellipses of one shape.
        n_failed: images that were not measured.
        failed: the first 1,000 of them, with reasons.
        n_compared: images with a measurement and an inclination of 45 degrees or more in the catalog or their name.
        rms: root mean square of the differences from these in degrees; None: there are none.
        mae: mean absolute difference in degrees; None: there are none.
    """

    n_images: int
    n_good: int
    n_doubtful: int
    n_failed: int
    failed: list[Unreadable]
    n_compared: int
    rms: float | None
    mae: float | None
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_images=10,
            n_good=8,
            n_doubtful=1,
            n_failed=1,
            failed=[Unreadable(name="pgc3_d25x2_rot_g.png", reason="The image holds no number at all.")],
            n_compared=9,
            rms=3.1,
            mae=2.1,
            runtime=0.2,
        )
