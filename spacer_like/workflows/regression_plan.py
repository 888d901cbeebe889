"""The steps of a pipeline of the regression family, in stages, as its configuration asks for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from spacer_like.exceptions import MessageError
from spacer_like.extras import import_extra
from spacer_like.location import DataLocation
from spacer_like.message_base import Message
from spacer_like.regression.architectures import weight_shapes
from spacer_like.regression.augmentation import batch_name
from spacer_like.regression.dataset import is_mapped
from spacer_like.regression.labels import COLOUR_INPUT, band_of
from spacer_like.regression.messages import (
    AugmentDatasetMsg,
    CalibrateRegressorMsg,
    EvaluateRegressorMsg,
    PackDatasetMsg,
    PrepareImagesMsg,
    SplitDatasetMsg,
    TrainGoodBadMsg,
    TrainRegressorMsg,
)
from spacer_like.regression.messages.data import index_beside
from spacer_like.regression.prediction_table import OUT_OF_BAG, PREDICTIONS
from spacer_like.regression.splitting import part_name
from spacer_like.storage import list_keys, read_bytes
from spacer_like.workflows.regression_config import PipelineConfig
from spacer_like.workflows.regression_requests import files_of_model, model_name, training
from spacer_like.workflows.steps import Step

PREPARED, PACKED, SAMPLES, AUGMENTED, MODELS, EVALUATION = _FOLDERS = (
    *("prepared", "packed", "samples", "augmented", "models"),
    "evaluation",
)
_OF_GOOD_BAD = "_good_bad"
FOLDERS = (*_FOLDERS, *(f"{name}{_OF_GOOD_BAD}" for name in (SAMPLES, AUGMENTED, EVALUATION)))
"""The folders of the stages."""
CALIBRATION = "calibration.json"


class Stage(NamedTuple):
    """Steps that do not depend on each other.

    Attributes:
        work: what the progress is called.
        steps: in any order.
        temporary: folders that are removed once all steps are done.
        may_lack_rows: whether steps that find too few rows in a table are left out, and the pipeline has not failed.
    """

    work: str
    steps: list[Step]
    temporary: tuple[DataLocation, ...] = ()
    may_lack_rows: bool = False


def plan(config: PipelineConfig) -> list[Stage]:
    """The stages of a pipeline. Nothing is written, and all messages are validated.

    Raises:
        MessageError: a value of the configuration does not hold.
        SpacerInputError: a network takes no images of this size.
        DataNotFoundError: there are no images, or no catalog.
        MissingExtraError: a package is not installed.
    """
    _check_bands(config.bands)
    for name in (*config.networks, *config.good_bad):
        weight_shapes(name, config.size, None)
    for package, extra in (("torch", "torch"), ("matplotlib", "plots")):
        import_extra(package, "A pipeline that trains networks", extra)
    return _Plan(config).stages()


def _check_bands(bands: Sequence[str]) -> None:
    """Refuse bands that no batch can be made of: half of each is of colour, half grey."""
    if len(set(bands)) < len(bands):
        raise MessageError(f"The bands of the configuration are {', '.join(bands)}: name each once.")
    if COLOUR_INPUT not in bands or len(bands) < 2:
        raise MessageError(
            f"The bands of the configuration are {', '.join(bands) or 'none'}, and networks learn from grey images and "
            f"those of colour alike: name {COLOUR_INPUT} and at least one of g, r and i."
        )


@dataclass(frozen=True)
class _Plan:
    """A pipeline's configuration, and the steps that it asks for.

    Attributes:
        of_good_bad: whether the split and what follows are those of networks that tell good galaxies from bad.
    """

    config: PipelineConfig
    of_good_bad: bool = False

    def stages(self) -> list[Stage]:
        config: Any = self.config
        prepared = [self._prepare(band) for band in config.bands]
        packed = [self._pack(band, step) for band, step in zip(config.bands, prepared, strict=True)]
        splits, augmented, trained, evaluated = self._learning(packed, config.networks, config.sub_samples)
        calibrated = [self._calibrate(one) for one in evaluated if config.coverage is not None]
        if config.good_bad:
            # As InclinET's authors, with all that is trained on, and no sub-samples.
            of_classes = _Plan(config, of_good_bad=True)._learning(packed, config.good_bad, 0)
            for steps, more in zip((splits, augmented, trained, evaluated), of_classes, strict=True):
                steps += more
        stages = [
            Stage("Preparing images", prepared),
            Stage("Packing", packed),
            Stage("Splitting", splits),
            Stage("Augmenting", augmented),
            Stage("Training", trained, tuple(self._model(step.name)["snapshots_loc"] for step in trained)),
            Stage("Evaluating", evaluated),
        ]
        return [*stages, Stage("Calibrating", calibrated, may_lack_rows=True)] if calibrated else stages

    def _learning(
        self, packed: Sequence[Step], networks: Sequence[str], sub_samples: int
    ) -> tuple[list[Step], list[Step], list[Step], list[Step]]:
        """The split, the batches, the trainings and the evaluation."""
        split = self._split(packed, sub_samples)
        batches = {
            number: [self._augment(split, number, batch) for batch in range(self.config.batches)]
            for number in range(sub_samples + 1)
        }
        trained = [self._train(network, number, split, batches[number]) for network in networks for number in batches]
        augmented = [step for steps in batches.values() for step in steps]
        return [split], augmented, trained, [self._evaluate(split, trained)]

    def _named(self, name: str) -> str:
        """The name of a step or folder of which there may be another one for good and bad galaxies."""
        return name + _OF_GOOD_BAD if self.of_good_bad else name

    def _at(self, *parts: str) -> DataLocation:
        return DataLocation.local(self.config.out).below(*parts)

    def _prepare(self, band: Any) -> Step:
        config: Any = self.config
        images, catalog = (_location(uri) for uri in (config.images, config.catalog))
        message = PrepareImagesMsg(
            images_loc=images,
            catalog_loc=catalog,
            out_loc=self._at(PREPARED),
            band=band,
            size=config.size,
            root=config.root,
            format=config.format,
        )
        folder = self._at(PREPARED, f"{config.size}x{config.size}_{band_of(band)}")
        return Step(f"prepare {band}", message, (version_of(images), version_of(catalog)), folders=(folder,))

    def _pack(self, band: str, prepared: Step) -> Step:
        config: Any = self.config
        [folder] = prepared.folders
        message = PackDatasetMsg(images_loc=folder, out_loc=self._at(PACKED), size=config.size, layout=config.layout)
        return self._made(f"pack {band}", message, [prepared], [f"{PACKED}/{folder.filename}"])

    def _split(self, packed: Sequence[Step], sub_samples: int) -> Step:
        config: Any = self.config
        message = SplitDatasetMsg(
            packed_locs={band: step.outputs[0] for band, step in zip(config.bands, packed, strict=True)},
            out_loc=self._at(self._named(SAMPLES)),
            held_out=config.held_out,
            least_inclination=0 if self.of_good_bad else config.least_inclination,
            sub_samples=sub_samples,
            original=config.original,
            layout=config.layout,
            seed=config.seed,
        )
        parts = [f"{kind}_{number:03d}" for kind in ("train", "test") for number in range(sub_samples + 1)]
        return self._made(
            self._named("split"), message, packed, [name for part in parts for name in self._part_names(part)]
        )

    def _augment(self, split: Step, number: int, batch: int) -> Step:
        config: Any = self.config
        message = AugmentDatasetMsg(
            sample_locs=self._part(f"train_{number:03d}"),
            out_loc=self._at(self._named(AUGMENTED)),
            sub_sample=number,
            batch=batch,
            per_bin=config.per_bin,
            anisotropic_scale=config.original,
            random_order=config.original,
            by_class=self.of_good_bad,
            layout=config.layout,
            seed=config.seed,
        )
        name = f"{self._named(AUGMENTED)}/{batch_name(config.size, number, batch)}"
        return self._made(self._named(f"augment {number} {batch}"), message, [split], [name])

    def _train(self, network: Any, number: int, split: Step, batches: Sequence[Step]) -> Step:
        config: Any = self.config
        name = model_name(network, number, "good-bad" if self.of_good_bad else "model")
        validated = f"test_{number:03d}" if number or config.original else None
        fields = {
            **self._model(name),
            "batch_locs": [step.outputs[0] for step in batches],
            "validation_locs": self._part(validated) if validated else [],
            "network": network,
            "passes": config.passes,
            "minibatch": config.minibatch,
            "learning_rate": float(config.learning_rate),
            "schedule": config.schedule,
            "precision": config.precision,
            "sub_sample": number,
            "original": config.original,
            "seed": config.seed,
        }
        message = training(TrainGoodBadMsg if self.of_good_bad else TrainRegressorMsg, fields)
        outputs = tuple(self._model(name)[kind] for kind in ("metrics_loc", "figure_loc", "model_loc"))
        return Step(name, message, _fingerprints([split, *batches]), outputs)

    def _evaluate(self, split: Step, trained: Sequence[Step]) -> Step:
        config: Any = self.config
        folder = self._at(self._named(EVALUATION))
        asked: dict[str, Any] = {"good_bad_locs": [step.outputs[-1] for step in trained]}
        if not self.of_good_bad:
            out_of_bag = {
                f"{network}_{number}": self._part(f"test_{number:03d}")
                for network in config.networks
                for number in range(1, config.sub_samples + 1)
            }
            asked = {"model_locs": self._groups(trained), "out_of_bag_sample_locs": out_of_bag}
        message = EvaluateRegressorMsg(
            **asked, sample_locs=self._part("test_000"), out_loc=folder, views=config.views, seed=config.seed
        )
        return Step(self._named("evaluate"), message, _fingerprints([split, *trained]), folders=(folder,))

    def _groups(self, trained: Sequence[Step]) -> dict[str, list[DataLocation]]:
        """The files of networks by their architectures."""
        groups: dict[str, list[DataLocation]] = {}
        for step in trained:
            groups.setdefault(cast("TrainRegressorMsg", step.message).network, []).append(step.outputs[-1])
        return groups

    def _calibrate(self, evaluated: Step) -> Step:
        config: Any = self.config
        out, asked = self._at(CALIBRATION), cast("EvaluateRegressorMsg", evaluated.message)
        message = CalibrateRegressorMsg(
            table_loc=self._at(f"{EVALUATION}/{PREDICTIONS}"),
            prediction_columns=[
                f"{network}_{j}" for network, locs in asked.model_locs.items() for j in range(len(locs))
            ],
            out_loc=out,
            out_of_bag_loc=self._at(f"{EVALUATION}/{OUT_OF_BAG}") if asked.out_of_bag_sample_locs else None,
            model_locs=asked.model_locs,
            coverage=config.coverage,
        )
        return Step("calibrate", message, _fingerprints([evaluated]), (out,))

    def _part_names(self, part: str) -> list[str]:
        return [
            f"{self._named(SAMPLES)}/{part_name(band_of(band), self.config.size, part)}" for band in self.config.bands
        ]

    def _part(self, part: str) -> list[DataLocation]:
        return [self._at(f"{name}.{self.config.layout}") for name in self._part_names(part)]

    def _model(self, name: str) -> dict[str, Any]:
        return dict(files_of_model(self._at(MODELS), name))

    def _made(self, name: str, message: Message, needs: Sequence[Step], files: Sequence[str]) -> Step:
        """A step that makes files of images, with the table beside each that is an ``.npy``."""
        images = [self._at(f"{file}.{self.config.layout}") for file in files]
        tables = [index_beside(loc) for loc in images if is_mapped(loc)]
        return Step(name, message, _fingerprints(needs), (*images, *tables))


def _location(text: str) -> DataLocation:
    found = DataLocation.from_uri(text)
    return DataLocation.local(found.key) if found.storage_type == "filesystem" else found


def _fingerprints(steps: Sequence[Step]) -> tuple[str, ...]:
    return tuple(step.fingerprint for step in steps)


def version_of(loc: DataLocation) -> str:
    """A hash of a file, or of the names, sizes and times of the files in a folder of this machine, elsewhere of names.

    Raises:
        DataNotFoundError: there is nothing.
    """
    found: Any
    if loc.storage_type == "filesystem" and Path(loc.key).is_dir():
        files = sorted(path for path in Path(loc.key).rglob("*") if path.is_file())
        found = [[path.relative_to(loc.key).as_posix(), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    elif names := sorted(one.key for one in list_keys(loc.below(""))):
        found = names
    else:
        return hashlib.sha256(read_bytes(loc)).hexdigest()
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
