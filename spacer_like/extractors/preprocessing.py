"""Preprocessing of images for networks: resize, crop, and each channel's mean and deviation."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from spacer_like.exceptions import ConfigError, ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from spacer_like.images.decoding import Fill

Triple = tuple[float, float, float]
PerChannel = float | Triple
"""A number for all channels, or one for each of red, green and blue."""

RESAMPLING = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
"""Filters of Pillow."""


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of an extractor; a part of its id.

    An image is resized so that its shortest side has `shortest_side` pixels, and the square in its middle cut out, as
    by torchvision's Resize and CenterCrop; or stretched to the square where `shortest_side` is None. A pixel p of a
    channel, 0 to 255, enters the network as (p * input_range / 255 - mean) / std.

    Attributes:
        size: width and height in pixels of the square that enters the network.
        shortest_side: in pixels, `size` at least; None: the image is stretched.
        resample: the filter that resizes, one of `RESAMPLING`.
        mean, std: of the channels red, green and blue, in the input range.
        input_range: what white is before the mean is subtracted, such as 1 or 255.

    Raises:
        ConfigError: a size, a filter or numbers that cannot be.

    >>> Preprocessing.clip().mean
    (0.48145466, 0.4578275, 0.40821073)
    """

    size: int
    shortest_side: int | None = None
    resample: str = "bicubic"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    input_range: float = 1.0

    def __post_init__(self) -> None:
        if self.size < 1 or (self.shortest_side is not None and self.shortest_side < self.size):
            raise ConfigError(
                f"An image is resized to a shortest side of {self.shortest_side} pixels, out of which no square of "
                f"{self.size} can be cut: give size 1 at least, and shortest_side that at least."
            )
        if self.resample not in RESAMPLING:
            raise ConfigError(
                f"There is no filter '{self.resample[:50]}' to resize by: name one of {', '.join(RESAMPLING)}."
            )
        numbers = (*self.mean, *self.std, self.input_range)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(math.isfinite(number) for number in numbers):
            raise ConfigError("The preprocessing needs three finite numbers as mean, three as std, and an input range.")
        if min(*self.std, self.input_range) <= 0:
            raise ConfigError("The preprocessing's std and input_range must be above 0.")

    @classmethod
    def clip(cls, size: int = 224) -> Preprocessing:
        """That of CLIP (A. Radford et al., "Learning transferable visual models from natural language supervision",
        2021): the shortest side resized bicubically, the middle cut out, and the training images' mean and deviation.
        """
        mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
        return cls(size, shortest_side=size, mean=mean, std=std)

    @classmethod
    def imagenet(cls, size: int = 224, shortest_side: int = 256) -> Preprocessing:
        """That of torchvision's networks for ImageNet."""
        return cls(size, shortest_side, "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

    def square(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The square of an image that enters the network, uint8 [size, size, 3].

        The memory that it takes does not depend on how long the longer side would become.

        Args:
            image: of any mode that has colours, or pixels uint8 [height, width, 3].

        Raises:
            ImageError: an image without pixels, or of a mode that has no colours.
        """
        import numpy as np
        from PIL import Image

        from spacer_like.images.middle import middle_square
        from spacer_like.images.square import FILTERS

        whole = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        if not whole.width or not whole.height:
            raise ImageError("The image has no pixels: it cannot be resized.")
        try:
            rgb = whole if whole.mode == "RGB" else whole.convert("RGB")
        except ValueError:
            raise ImageError(f"The image is of the mode {whole.mode}, which has no colours.") from None
        resample = FILTERS[self.resample]
        if self.shortest_side is None:
            return np.asarray(rgb.resize((self.size, self.size), resample))
        return middle_square(rgb, self.size, self.shortest_side, resample)

    def fill(self, shrink_on_load: bool = False) -> Fill:
        """What makes the square of an image file, for `spacer_like.images.decoding.Decoder`.

        Its pixels are those that `square` makes of the decoded image, unless it shrinks.

        Args:
            shrink_on_load: see `spacer_like.images.square.square_into`: faster for large JPEG files, and nearly the
                same pixels.
        """
        from spacer_like.images.square import square_into

        return partial(
            square_into, resample=self.resample, shrink_on_load=shrink_on_load, shortest_side=self.shortest_side
        )

    def normalised(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's input float32 [n, 3, size, size] from squares uint8 [n, size, size, 3]."""
        import numpy as np

        mean, scale = (np.array(numbers, np.float32) for numbers in self.in_pixels())
        planes: NDArray[np.float32] = ((pixels.astype(np.float32) - mean) / scale).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(planes)

    def in_pixels(self) -> tuple[Triple, Triple]:
        """Mean and scale of each channel, by which a pixel p from 0 to 255 enters as (p - mean) / scale."""
        white = 255 / self.input_range
        mean, scale = ([number * white for number in numbers] for numbers in (self.mean, self.std))
        return (mean[0], mean[1], mean[2]), (scale[0], scale[1], scale[2])

    def digest(self, *more: Any) -> str:
        """A hash of the preprocessing and of further JSON values: 40 hexadecimal digits."""
        return hashlib.sha256(json.dumps([asdict(self), *more], sort_keys=True).encode()).hexdigest()[:40]
