"""Calibrations: what the tensors of a network hold on photographs, by which it computes in whole numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import Self

from spacer_like.exceptions import DataLimitError, WeightsError, damage_as, visible

_MOST_BYTES = 2**24
_LEAST_WIDTH = 1e-6
_LONGEST_PART = 100

_Value = Annotated[float, Field(ge=-1e6, le=1e6)]


class TensorRange(BaseModel):
    """What a tensor [n, channels, height, width] holds.

    Attributes:
        low, high: the least and the greatest number of it.
        means: of each channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Annotated[_Value, Field(le=0)]
    high: Annotated[_Value, Field(ge=_LEAST_WIDTH)]
    means: Annotated[tuple[_Value, ...], Field(min_length=1, max_length=2**16)]


class Calibration(BaseModel):
    """The ranges of a network's tensors on some photographs, as a JSON file.

    Attributes:
        extractor_id: of the extractor whose network it is, at full precision.
        patches: how many crops were looked at.
        sha256: of their pixels, one after the other.
        tensors: by the names that the network's model gives them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["spacer_like calibration"] = "spacer_like calibration"
    version: Literal[1] = 1
    extractor_id: Annotated[str, Field(max_length=200)]
    patches: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    tensors: Annotated[dict[str, TensorRange], Field(min_length=1, max_length=2000)]

    def to_bytes(self) -> bytes:
        """The file; equal calibrations give equal bytes."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Self:
        """The calibration in a file.

        Args:
            name: what errors call the file.

        Raises:
            WeightsError: the file is damaged, or no calibration.
            DataLimitError: it is larger than any calibration.
        """
        if len(data) > _MOST_BYTES:
            raise DataLimitError(f"{name}: a calibration has at most {_MOST_BYTES} bytes, and this has {len(data)}.")
        with damage_as(WeightsError, name, f"{name}: the file holds no calibration"):
            try:
                return cls.model_validate_json(data, strict=True)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                path = ".".join(visible(str(part)[:_LONGEST_PART]) for part in first["loc"])
                raise ValueError(f"{path}: {first['msg']}" if path else first["msg"]) from None

    def check_extractor(self, extractor_id: str, name: str) -> None:
        """Refuse, as a `WeightsError`, the use with the network of another extractor."""
        if self.extractor_id != extractor_id:
            raise WeightsError(
                f"{name}: this calibration is of the extractor {visible(self.extractor_id)}, and not of "
                f"{extractor_id}: calibrate that one, or name the file that was made with it."
            )
