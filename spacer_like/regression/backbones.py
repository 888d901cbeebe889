"""Extractors as the first part of a network: frozen, or with layers of their own that learn too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spacer_like.exceptions import ExtractorMismatchError, MessageError
from spacer_like.extractors.base import FeatureExtractor, image_features
from spacer_like.extractors.named import EXTRACTORS, extractor_named
from spacer_like.extractors.network_extractor import NetworkExtractor
from spacer_like.regression.regressor import BACKBONE, Regressor

if TYPE_CHECKING:
    import torch

    from spacer_like.regression.networks import WithLayers

UNITS = (64,)
"""Of the layers between an extractor's features and the outputs."""
_IMAGES_AT_A_TIME = 64


def squares(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Images [n, side, side, 3] resized to `size` pixels, bicubically."""
    if images.shape[1] == size:
        return images
    found = np.empty((len(images), size, size, 3), np.uint8)
    for number, image in enumerate(images):
        found[number] = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
    return found


def features_of(extractor: FeatureExtractor, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An extractor's features of whole images uint8 [n, side, side, 3]: float32 [n, numbers].

    Raises:
        SpacerInputError: as `image_features`.
    """
    found = np.empty((len(images), extractor.feature_dim), np.float32)
    for start in range(0, len(images), _IMAGES_AT_A_TIME):
        part = slice(start, start + _IMAGES_AT_A_TIME)
        found[part] = image_features(extractor, squares(images[part], extractor.CROP_SIZE))
    return found


def layers_for(
    extractor: FeatureExtractor,
    n_outputs: int | None,
    fine_tune: bool,
    units: tuple[int, ...] = UNITS,
    seed: int = 0,
) -> WithLayers:
    """The network that learns: layers on an extractor's features, or with the extractor's own network before them.

    Args:
        n_outputs: classes; None: one number.
        fine_tune: whether it takes pixels of 0 to 255 and has the extractor's network, else features.
        units: of the layers between features and outputs.
        seed: of the layers' first weights.

    Raises:
        MessageError: the extractor has no network that could learn.
    """
    import torch

    from spacer_like.regression.networks import FeatureNetwork, FineTunedNetwork

    random = torch.Generator().manual_seed(seed)
    if not fine_tune:
        return FeatureNetwork(extractor.feature_dim, units, n_outputs, random)
    if not isinstance(extractor, NetworkExtractor):
        raise MessageError(
            f"The extractor {type(extractor).__name__} has no network that could learn: leave fine_tune out."
        )
    backbone = extractor.build_module()
    preprocessing = extractor.CROP_SIZE, *extractor.mean_and_scale()
    return FineTunedNetwork(backbone, preprocessing, extractor.feature_dim, units, n_outputs, random)


def is_fine_tuned(regressor: Regressor) -> bool:
    """Whether a network holds the weights of its extractor."""
    return any(name.startswith(BACKBONE) for name in regressor.weights)


def extractor_for(regressor: Regressor, extractor: FeatureExtractor | None) -> FeatureExtractor:
    """The extractor that a network was trained with.

    Args:
        extractor: the one that is given; None: one of those whose weights come with packages.

    Raises:
        ExtractorMismatchError: it is another one, or none is given and it is none of those.
    """
    wanted = regressor.extractor_id or ""
    if extractor is None:
        packaged = (extractor_named(name) for name, (_, files) in EXTRACTORS.items() if not files)
        if (found := next((one for one in packaged if one.extractor_id == wanted), None)) is None:
            raise ExtractorMismatchError(
                f"The network was trained with the extractor {wanted[:16]}, whose weights no package has: name it."
            )
        return found
    if extractor.extractor_id != wanted:
        raise ExtractorMismatchError(
            f"The network was trained with the extractor {wanted[:16]}, and {extractor.extractor_id[:16]} is given."
        )
    return extractor


def built_on(regressor: Regressor, extractor: FeatureExtractor) -> tuple[torch.nn.Module, Any]:
    """The network of a regressor with its weights, and what takes images uint8 [n, side, side, 3] to its inputs.

    Raises:
        ModelFileError: the weights are those of another network.
    """
    from spacer_like.regression.networks import set_weights

    tuned = is_fine_tuned(regressor)
    module = layers_for(extractor, regressor.n_classes, tuned, regressor.units)
    set_weights(module, regressor.weights)
    return module, None if tuned else lambda images: features_of(extractor, images)
