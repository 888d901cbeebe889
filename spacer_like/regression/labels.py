"""Inclinations of galaxies as targets of networks, as labels, and in the names of prepared images.

An inclination is in degrees from face-on: 90 is edge-on. A label is the text in a file's name, ``F``, ``0`` or whole
degrees; a code is the number that stands for it: 0 a galaxy without an inclination, 1 one seen face-on, and from 45 to
90 an inclination.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from spacer_like.exceptions import TrainingLabelsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Degrees = TypeVar("Degrees", float, NDArray[np.floating])

LOWEST, HIGHEST = 45, 90
"""The inclinations that are learned, in degrees, both included."""
REJECTED, FACE_ON = 0, 1
"""Codes of galaxies that have no inclination."""
REJECTED_LABEL, FACE_ON_LABEL = "0", "F"
BANDS = ("g", "r", "i", "RGB")
"""Bands of prepared images, by the names that their files have."""
MOST_ID = 2**31 - 1
_FACE_ON_TAG = "face_on"
_HALF_RANGE = (HIGHEST - LOWEST) / 2
_OTHER_NAMES = {"gri": "RGB", "c": "RGB"}
_SHORT_NAMES = {"RGB": "c"}
_NAME = re.compile(
    r"pgc(?P<id>[0-9]{1,10})_(?P<size>[1-9][0-9]{0,4})x(?P=size)_(?P<label>F|[0-9]{1,2})\.(?P<band>g|r|i|RGB)"
    r"\.(?P<ending>jpg|png|npy)"
)


GREY_ENDINGS = (".png", ".jpg", ".fits", ".fit", ".fits.gz")
COLOUR_ENDINGS = (".sdss.jpg", ".jpg", ".png", ".fits", ".fit", ".fits.gz")
"""Of images before they are prepared; of two the one that stands first counts."""
COLOUR_INPUT = "gri"
"""How images of colour are called before they are prepared."""


def to_target(inclination: Degrees) -> Degrees:
    """What a network learns for an inclination in degrees: -1 for 45, 1 for 90, linear between.

    >>> to_target(45.0), to_target(67.5), to_target(90.0)
    (-1.0, 0.0, 1.0)
    """
    return (inclination - LOWEST) / _HALF_RANGE - 1


def from_target(target: Degrees) -> Degrees:
    """The inclination in degrees that a network's output stands for, the inverse of `to_target`.

    >>> from_target(-1.0), from_target(0.0)
    (45.0, 67.5)
    """
    return LOWEST + _HALF_RANGE * (target + 1)


def label_of(inclination: float, flag: int, face_on: str, note: str) -> str:
    """The label of a catalog's row; the first rule that fits decides.

    Args:
        inclination: degrees, of which the fraction is dropped.
        flag: above 0 where people gave no inclination.
        face_on: ``F`` for a galaxy seen face-on.
        note: free text; ``face_on`` in it says the same.

    >>> label_of(0, 1, "F", ""), label_of(0, 2, "", "[merger]"), label_of(67, 0, "", "")
    ('F', '0', '67')
    """
    if flag > 0:
        return FACE_ON_LABEL if face_on == FACE_ON_LABEL or _FACE_ON_TAG in note else REJECTED_LABEL
    return str(int(inclination))


def code_of(label: str) -> int:
    """The code of a label.

    Raises:
        TrainingLabelsError: a text that is no label.

    >>> code_of("F"), code_of("0"), code_of("67")
    (1, 0, 67)
    """
    if not _is_label(label):
        raise TrainingLabelsError(f"The label '{label[:40]}' is neither F nor whole degrees from 0 to {HIGHEST}.")
    return FACE_ON if label == FACE_ON_LABEL else int(label)


def counted_labels(codes: Iterable[int]) -> dict[str, int]:
    """The number of galaxies with an inclination, seen face-on, and rejected, by their codes.

    >>> counted_labels([67, 0, 1, 45])
    {'inclination': 2, 'face_on': 1, 'rejected': 1}
    """
    found = Counter(
        "rejected" if code == REJECTED else "face_on" if code == FACE_ON else "inclination" for code in codes
    )
    return {kind: found[kind] for kind in ("inclination", "face_on", "rejected")}


def _is_label(text: str) -> bool:
    return text == FACE_ON_LABEL or (text.isascii() and text.isdecimal() and len(text) <= 2 and int(text) <= HIGHEST)


def band_of(name: str) -> str:
    """The band by the name that files of prepared images have; ``gri`` and ``c`` are names of RGB.

    Raises:
        TrainingLabelsError: no band.

    >>> band_of("gri"), band_of("c"), band_of("g")
    ('RGB', 'RGB', 'g')
    """
    band = _OTHER_NAMES.get(name, name)
    if band not in BANDS:
        raise TrainingLabelsError(f"There is no band '{name[:40]}': give g, r, i, or gri for colour.")
    return band


def filter_of(band: str) -> str:
    """The one letter of a band, ``c`` for colour; errors as of `band_of`.

    >>> filter_of("RGB"), filter_of("r")
    ('c', 'r')
    """
    band = band_of(band)
    return _SHORT_NAMES.get(band, band)


class StampName(NamedTuple):
    """What the name of a prepared image says.

    Attributes:
        id: the galaxy's number in the PGC.
        size: width and height in pixels.
        label: of the galaxy.
        band: one of `BANDS`.
        ending: of the file, without the dot.
    """

    id: int
    size: int
    label: str
    band: str
    ending: str = "jpg"

    @classmethod
    def parse(cls, path: str) -> StampName:
        """What a file's name says, whatever folders stand before it.

        Raises:
            TrainingLabelsError: another name.

        >>> StampName.parse("128x128_RGB/pgc44182_128x128_67.RGB.jpg")
        StampName(id=44182, size=128, label='67', band='RGB', ending='jpg')
        """
        base = path.replace("\\", "/").rpartition("/")[2]
        found = _NAME.fullmatch(base)
        if (
            found is None
            or int(found["id"]) > MOST_ID
            or (found["label"] != FACE_ON_LABEL and int(found["label"]) > 90)
        ):
            raise TrainingLabelsError(
                f"The name '{base[:100]}' does not give a galaxy and its label: it must be like "
                "pgc44182_128x128_67.g.jpg, with F, 0 or degrees up to 90 before the band."
            )
        return cls(int(found["id"]), int(found["size"]), found["label"], found["band"], found["ending"])

    @property
    def code(self) -> int:
        """The code of the label."""
        return code_of(self.label)

    def __str__(self) -> str:
        return f"pgc{self.id}_{self.size}x{self.size}_{self.label}.{self.band}.{self.ending}"


def found_images(names: Iterable[str], root: str, band: str) -> dict[int, str]:
    """The image of each galaxy among files, before they are prepared, by the galaxy's id.

    Args:
        names: of files, such as ``pgc44182_d25x2_rot_g.png`` or, of colour, ``pgc44182_d25x2_rot_gri.sdss.jpg``.
        root: of the names, what stands between the id and the band.
        band: one of `BANDS`, or another name of it.

    >>> found_images(["pgc2_x_g.fits", "pgc2_x_g.png", "pgc3_x_r.png", "notes.txt"], "x", "g")
    {2: 'pgc2_x_g.png'}
    """
    is_colour = band_of(band) == "RGB"
    endings = COLOUR_ENDINGS if is_colour else GREY_ENDINGS
    words = (root, COLOUR_INPUT if is_colour else band)
    pattern = re.compile(
        "pgc([0-9]{1,10})_" + "_".join(map(re.escape, words)) + f"({'|'.join(map(re.escape, endings))})"
    )
    found: dict[int, tuple[int, str]] = {}
    for name in names:
        if (match := pattern.fullmatch(name)) is not None and (galaxy := int(match[1])) <= MOST_ID:
            candidate = (endings.index(match[2]), name)
            found[galaxy] = min(found.get(galaxy, candidate), candidate)
    return {galaxy: name for galaxy, (_, name) in sorted(found.items())}
