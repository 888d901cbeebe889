"""Why an image ranks where it does: where its rare pixels are, and which colours they have."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from spacer_like.rarity.bins import COLOURS, hex_colour
from spacer_like.rarity.messages import RareCell, RareColour

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_WIDTH = 448
"""Pixels that an overlay is wide and high at least, beside its scale."""

# Inferno of matplotlib (CC0) at nine points: equal steps look equally large, in print without colour too.
_HEAT = np.array(
    [
        (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
        (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
    ],
    np.float64,
)  # fmt: skip
_MARGIN, _BAR_WIDTH, _LETTERS = 16, 20, 15
_BACKGROUND, _INK = (255, 255, 255), (40, 40, 40)
_TICKS = 5


def rarest_positions(
    colours: NDArray[np.uint16], counts: NDArray[np.int64], surprisal: NDArray[np.float64], most: int
) -> list[RareCell]:
    """The positions that contribute most to the sum of the surprisal, equals from the top left on.

    Args:
        colours: uint16 [size, size], the colour at each position, by number.
        counts: int [size, size], how many images have that colour there.
        surprisal: float64 [size, size], bits.
        most: how many positions.
    """
    total = surprisal.sum()
    found = []
    for index in np.argsort(-surprisal, axis=None, kind="stable")[:most].tolist():
        row, col = divmod(index, surprisal.shape[1])
        bits = float(surprisal[row, col])
        found.append(
            RareCell(
                row=row,
                col=col,
                colour=hex_colour(int(colours[row, col])),
                count=int(counts[row, col]),
                surprisal=bits,
                share=float(bits / total) if total else 0.0,
            )
        )
    return found


def rarest_colours(colours: NDArray[np.uint16], surprisal: NDArray[np.float64]) -> list[RareColour]:
    """The image's colours by what they contribute to the sum of the surprisal, over all their positions.

    Args:
        colours, surprisal: as for `rarest_positions`.
    """
    sums = np.bincount(colours.ravel(), weights=surprisal.ravel(), minlength=COLOURS)
    areas = np.bincount(colours.ravel(), minlength=COLOURS)
    total = sums.sum()
    return [
        RareColour(
            colour=hex_colour(number),
            n_positions=int(areas[number]),
            mean_surprisal=float(sums[number] / areas[number]),
            share=float(sums[number] / total) if total else 0.0,
        )
        for number in np.argsort(-sums, kind="stable").tolist()
        if areas[number]
    ]


def overlay(image: NDArray[np.uint8], surprisal: NDArray[np.float64], most: float) -> bytes:
    """The image, beside it the same in grey and lit up where it is rare, and a scale in bits, as PNG.

    Whole pixels are repeated until the picture is `LEAST_WIDTH` wide at least.

    Args:
        image: uint8 [size, size, 3].
        surprisal: float64 [size, size], bits.
        most: the bits at the upper end of the scale, so that pictures of several images may be compared.
    """
    shares = np.clip(surprisal / most, 0, 1) if most > 0 else np.zeros_like(surprisal)
    # Dim, so that a bright pixel does not look rare; and the rarer a pixel, the less of it shows through.
    grey = 24 + 0.4 * np.asarray(Image.fromarray(image).convert("L"), np.float64)[..., None]
    strength = 0.2 + 0.75 * np.sqrt(shares[..., None])
    lit = (1 - strength) * grey + strength * _heat(shares)
    repeats = -(-LEAST_WIDTH // len(image))
    plain, heat = (
        Image.fromarray(pixels.repeat(repeats, axis=0).repeat(repeats, axis=1))
        for pixels in (image, lit.round().astype(np.uint8))
    )
    sink = BytesIO()
    _with_scale(plain, heat, most).save(sink, "PNG")
    return sink.getvalue()


def _heat(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours float64 [..., 3] of shares from 0 to 1."""
    points = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(shares, points, channel) for channel in _HEAT.T], axis=-1)


def _with_scale(plain: Image.Image, heat: Image.Image, most: float) -> Image.Image:
    font = ImageFont.load_default(_LETTERS)
    height = heat.height
    left = plain.width + heat.width + 2 * _MARGIN
    texts = _BAR_WIDTH + 8
    sheet = Image.new("RGB", (left + texts + 5 * _LETTERS + _MARGIN, height + 2 * _MARGIN), _BACKGROUND)
    sheet.paste(plain, (_MARGIN, _MARGIN))
    sheet.paste(heat, (plain.width + 2 * _MARGIN, _MARGIN))
    bar_left, top = left + _MARGIN, _MARGIN + 2 * _LETTERS
    length = height - 2 * _LETTERS
    bar = _heat(np.linspace(1, 0, length))[:, None, :].repeat(_BAR_WIDTH, axis=1)
    sheet.paste(Image.fromarray(bar.round().astype(np.uint8)), (bar_left, top))
    draw = ImageDraw.Draw(sheet)
    for tick in range(_TICKS):
        share = tick / (_TICKS - 1)
        y = top + round((1 - share) * (length - 1))
        draw.line([(bar_left + _BAR_WIDTH, y), (bar_left + _BAR_WIDTH + 4, y)], _INK)
        draw.text((bar_left + texts, y), f"{share * most:.1f}", _INK, font, anchor="lm")
    draw.text((bar_left, _MARGIN), "bits", _INK, font, anchor="lt")
    return sheet
