"""EfficientNets that compute in float32, or on choice in whole numbers of eight bits."""

from __future__ import annotations

import hashlib
from abc import ABC
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self

from spacer_like.exceptions import ConfigError, MessageError, WeightsError, damage_as, visible
from spacer_like.extractors.efficientnet import EfficientNetExtractor
from spacer_like.extras import import_extra
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

    from spacer_like.extractors.networks import Network
    from spacer_like.extractors.onnx_session import Recipe

FP32, INT8 = "fp32", "int8"
CALIBRATION = "calibration"
_LEAST_NOISE = 8


class PrecisionExtractor(EfficientNetExtractor, ABC):
    """An EfficientNet at a chosen precision. At ``int8`` its features are others than at ``fp32``, and have another id.

    Args:
        data_locations: at ``int8`` has ``calibration``, a file of `calibration_of`; it is a part of the id.
        data_hashes: see `FeatureExtractor`.
        precision: ``fp32``; or ``int8``, which only ONNX Runtime computes, on the processor.

    Raises:
        MessageError: another precision, one that the class does not have, or a calibration lacking or in surplus.
    """

    PRECISIONS: ClassVar[tuple[str, ...]] = (FP32, INT8)

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        data_hashes: Mapping[str, str] | None = None,
        precision: str = FP32,
    ) -> None:
        super().__init__(data_locations, data_hashes)
        if precision not in self.PRECISIONS:
            raise MessageError(
                f"The precision of {type(self).__name__} must be {' or '.join(self.PRECISIONS)}, and is "
                f"{visible(str(precision)[:50])}."
            )
        if unknown := sorted(set(self.data_locations) - {"weights", CALIBRATION}):
            raise MessageError(
                f"The extractor {type(self).__name__} has the files weights and {CALIBRATION} in data_locations, "
                f"and no {visible(unknown[0][:50])}."
            )
        if (precision == INT8) != (CALIBRATION in self.data_locations):
            raise MessageError(
                f"The extractor {type(self).__name__} takes the file {CALIBRATION}, in data_locations, at the "
                f"precision {INT8}, and only there."
            )
        self.precision = precision

    def arguments(self) -> dict[str, Any]:
        # At fp32 a message stays what it was before there was a choice.
        return super().arguments() | ({} if self.precision == FP32 else {"precision": self.precision})

    @property
    def architecture(self) -> str:
        return super().architecture if self.precision == FP32 else f"{super().architecture}-{self.precision}"

    def at_fp32(self) -> Self:
        """The extractor of the same weights that computes in float32."""
        locations, hashes = dict(self.data_locations), dict(self.data_hashes)
        locations.pop(CALIBRATION, None)
        hashes.pop(CALIBRATION, None)
        return type(self)(locations, hashes)

    def at_int8(self, calibration: DataLocation) -> Self:
        """The extractor of the same weights that computes in eight bits, by a file of `calibration_of`.

        Raises:
            MessageError: the class has no such precision.
        """
        return type(self)({**self.data_locations, CALIBRATION: calibration}, self.data_hashes, INT8)

    def calibration_of(self, patches: Sequence[NDArray[np.uint8]]) -> bytes:
        """The calibration file by which this network computes at ``int8``, of crops as it will see.

        Args:
            patches: n crops, uint8 [CROP_SIZE, CROP_SIZE, 3], n above 0; a hundred of many photographs are enough.

        Raises:
            MissingExtraError: torch, onnx or ONNX Runtime is not installed.
        """
        import numpy as np

        from spacer_like.extractors.calibration import Calibration

        digest = hashlib.sha256()
        for patch in patches:
            digest.update(np.ascontiguousarray(patch).tobytes())
        model = self._model_at_fp32()
        from spacer_like.extractors.onnx_conversion import natural_patches
        from spacer_like.extractors.onnx_quantised import observed

        # Crops of one kind, such as those of open water, would leave no room for others.
        several = [*patches, *natural_patches(max(_LEAST_NOISE, len(patches) // 4), self.input_size)]
        return Calibration(
            extractor_id=self.at_fp32().extractor_id,
            patches=len(patches),
            sha256=digest.hexdigest(),
            tensors=observed(model, several),
        ).to_bytes()

    def device(self) -> str:
        return super().device() if self.precision == FP32 else "cpu"

    def _build_for_torch(self, recipe: Recipe) -> Network:
        if self.precision == INT8:
            raise ConfigError(
                f"Only ONNX Runtime computes {type(self).__name__} at the precision {INT8}, of pixels of eight bits: "
                "install it with pip install 'spacer_like[torch]', and leave the setting USE_ONNX on."
            )
        return super()._build_for_torch(recipe)

    def _build_for_onnx(self, recipe: Recipe) -> Network:
        if self.precision == FP32:
            return super()._build_for_onnx(recipe)
        from spacer_like.extractors.onnx_session import kept_network

        return kept_network(recipe) or self._quantised_network(recipe)

    def _quantised_network(self, recipe: Recipe) -> Network:
        from spacer_like.extractors.calibration import Calibration

        name = self.data_locations[CALIBRATION].display_name
        calibration = Calibration.from_bytes(self.load_datastream(CALIBRATION)[0].read(), name)
        calibration.check_extractor(self.at_fp32().extractor_id, name)
        model = self._model_at_fp32()
        from spacer_like.extractors.onnx_conversion import natural_patches, relative_difference
        from spacer_like.extractors.onnx_quantised import quantised
        from spacer_like.extractors.onnx_session import OnnxNetwork, keep

        with damage_as(WeightsError, name, f"{name} is no calibration of {type(self).__name__}"):
            made = quantised(model, calibration).SerializeToString()
        network = OnnxNetwork(made)
        patches = natural_patches(1, self.input_size)
        expected = OnnxNetwork(model.SerializeToString()).run(patches)
        keep(recipe, made, relative_difference(network.run(patches), expected))
        return network

    def _model_at_fp32(self) -> onnx.ModelProto:
        module = self._checked_module()
        import_extra("onnx", f"The precision {INT8}", "torch")
        from spacer_like.extractors.onnx_conversion import for_inference
        from spacer_like.extractors.onnx_graph import to_onnx

        for_inference(module)
        return to_onnx(module, self.input_size, *self.mean_and_scale())
