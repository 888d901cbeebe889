"""The configuration of a pipeline of the regression family: a JSON or TOML file in which every value has a default."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from spacer_like.exceptions import MessageError, damage_as, nearest
from spacer_like.location import DataLocation
from spacer_like.regression.messages.data import Band
from spacer_like.storage import read_bytes

Network = Literal["model4", "model5", "model6", "small_cnn"]
_ENDINGS = (".json", ".toml")


@dataclass(frozen=True)
class PipelineConfig:
    """What a pipeline makes, and of what.

    Attributes:
        images, catalog: paths or URIs; of the images a folder, a prefix or an archive.
        out: the folder of this machine where everything goes.
        root: what stands in the images' names between the id and the band.
        bands: that are prepared.
        size: width and height of the prepared images in pixels.
        format: of the prepared images: jpg, png or npy.
        layout: of the files to train on: npz or npy.
        held_out: the share of the galaxies that is held out for the test; None: 0.10, or of the original split 0.15.
        least_inclination: degrees.
        sub_samples: how many are drawn; their galaxies out of bag give an evaluation that no network has seen.
        batches: of each sub-sample; per_bin: images of colour in a batch for each five degrees, and as many grey ones.
        networks: that are trained, on each sub-sample and on all galaxies.
        good_bad: networks that learn to tell galaxies with an inclination from those that the catalog rejects or calls
            face-on, of a split of their own of all of these; none: the catalog needs no such galaxies.
        passes, minibatch, learning_rate, schedule, precision: of the training, as of `train_regressor`.
        views: turned copies of an image that a network looks at.
        coverage: the share of galaxies whose inclination is to lie in its interval; None: nothing is calibrated.
        original: split and train as InclinET does.
        seed: of all that is random.
    """

    images: str = "galaxies"
    catalog: str = "galaxies/catalog.txt"
    out: str = "inclinations"
    root: str = "d25x2_rot"
    bands: tuple[Band, ...] = get_args(Band)
    size: int = 128
    format: str = "jpg"
    layout: str = "npz"
    held_out: float | None = None
    least_inclination: int = 45
    sub_samples: int = 3
    batches: int = 5
    per_bin: int = 1000
    networks: tuple[Network, ...] = ("model4", "model5", "model6")
    good_bad: tuple[Network, ...] = ()
    passes: int = 1
    minibatch: int = 64
    learning_rate: float = 1e-3
    schedule: str = "constant"
    precision: str = "auto"
    views: int = 2
    coverage: float | None = 0.9
    original: bool = False
    seed: int = 0

    @classmethod
    def of(cls, values: Mapping[str, Any], name: str) -> PipelineConfig:
        """The configuration of the values of a file that errors call `name`.

        Raises:
            MessageError: an unknown key, or a value of another type. What values may be is for the messages to say.
        """
        known = {one.name: one for one in fields(cls)}
        if unknown := [key for key in values if key not in known]:
            raise MessageError(
                f"The configuration '{name}' has the key '{str(unknown[0])[:100]}', and there is none of this name."
                f"{nearest(str(unknown[0]), list(known))} Its keys are: {', '.join(known)}."
            )
        return cls(**{key: _typed(key, value, known[key].default, name) for key, value in values.items()})


def read_config(loc: DataLocation) -> PipelineConfig:
    """The configuration in a file.

    Raises:
        MessageError: no JSON or TOML, no object, or as `PipelineConfig.of`.
        DataNotFoundError: there is no file.
    """
    name = loc.display_name
    if not loc.filename.lower().endswith(_ENDINGS):
        raise MessageError(f"The configuration '{name}' must end with {' or '.join(_ENDINGS)}.")
    data = read_bytes(loc)
    with damage_as(MessageError, name, f"The configuration '{name}' cannot be read"):
        values = _from_toml(data.decode()) if loc.filename.lower().endswith(".toml") else json.loads(data)
    if not isinstance(values, dict):
        raise MessageError(f"The configuration '{name}' must be an object of names and values.")
    return PipelineConfig.of(values, name)


def _from_toml(text: str) -> dict[str, Any]:
    if sys.version_info < (3, 11):
        raise MessageError("Python 3.10 reads no TOML: write the configuration as JSON.")
    import tomllib

    return tomllib.loads(text)


def _typed(key: str, value: Any, default: Any, name: str) -> Any:
    """A value of the type that the default has."""
    if isinstance(default, tuple):
        kind, fits = "a list of texts", isinstance(value, list) and all(isinstance(one, str) for one in value)
        value = tuple(value) if fits else value
    elif isinstance(default, bool):
        kind, fits = "true or false", isinstance(value, bool)
    elif isinstance(default, str):
        kind, fits = "a text", isinstance(value, str)
    elif isinstance(default, int):
        kind, fits = "a whole number", type(value) is int
    else:
        is_optional = key in ("held_out", "coverage")
        kind = "a number or null" if is_optional else "a number"
        fits = type(value) in (int, float) or (is_optional and value is None)
    if not fits:
        raise MessageError(
            f"In the configuration '{name}' the value of {key} must be {kind}, and is {str(value)[:60]}."
        )
    return value
