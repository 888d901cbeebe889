"""FITS files: one band and three, several extensions, none, and what is no number."""

from io import BytesIO

import numpy as np
import pytest

from spacer_like.exceptions import ImageError
from spacer_like.regression.fits_images import fits_colour, fits_grey

fits = pytest.importorskip("astropy.io.fits")


def file(*images, primary=None):
    sink = BytesIO()
    fits.HDUList([fits.PrimaryHDU(primary), *(fits.ImageHDU(image) for image in images)]).writeto(sink)
    return sink.getvalue()


def galaxy(height=20, width=24, brightness=50.0):
    y, x = np.mgrid[:height, :width]
    return (7 + brightness * np.exp(-((x - 12) ** 2 + (y - 10) ** 2) / 20)).astype(np.float32)


def test_the_sky_is_black_and_the_middle_white():
    found = fits_grey(file(primary=galaxy()), "a.fits")
    assert (found.shape, found.dtype, found[10, 12], found[0, 0]) == ((20, 24), np.uint8, 255, 0)


def test_what_is_no_number_counts_as_sky():
    image = galaxy()
    image[0, :5] = np.nan
    image[1, 1] = np.inf
    found = fits_grey(file(image), "a.fits")
    assert (found[0, :5] == 0).all()
    assert found[10, 12] == 255


def test_of_several_extensions_one_is_named():
    data = file(galaxy(), galaxy(8, 24))
    with pytest.raises(ImageError, match="has 2 images: name the extension of one"):
        fits_grey(data, "a.fits")
    assert fits_grey(data, "a.fits", extension=2).shape == (8, 24)


def test_colour_is_a_cube_or_three_extensions():
    bands = [galaxy(brightness=brightness) for brightness in (20, 40, 60)]
    cube = fits_colour(file(primary=np.stack(bands)), "a.fits")
    np.testing.assert_array_equal(cube, fits_colour(file(*bands), "a.fits"))
    red, green, blue = cube[10, 12].tolist()
    assert red > green > blue


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (file(), "has no image"),
        (file(galaxy() * np.nan), "holds no number at all"),
        (b"", "is empty: give an image"),
        (b"SIMPLE  = nothing", "cannot be read as FITS"),
    ],
)
def test_what_has_no_image_is_said(data, words):
    with pytest.raises(ImageError, match=words):
        fits_grey(data, "a.fits")


def test_colour_of_two_bands_is_refused():
    with pytest.raises(ImageError, match="has 2 images, and colour needs three of one size: g, r, i"):
        fits_colour(file(galaxy(), galaxy()), "a.fits")
