"""Messages about the training of networks on images of galaxies."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ByKeyword,
    Location,
    Message,
    OptionalExtractorField,
    ReturnMessage,
    Runtime,
    Seed,
    WritableFolder,
    WritableLocation,
)
from spacer_like.regression.messages.data import indexes_beside

Network = Literal["model4", "model5", "model6", "small_cnn", "extractor"]


class TrainingMsg(Message, metaclass=ByKeyword):
    """How a network learns from images of galaxies, batch after batch: the fields that both trainings share.

    Fields:
        model_loc: where the network goes, safetensors.
        batch_locs: files of `augment_dataset`, each a batch of many images. Empty: `sample_locs` are given.
        sample_locs: files of `split_dataset`, of all bands, of which batches are made while the network learns. Empty:
            `batch_locs` are given.
        validation_locs: files of `split_dataset` with galaxies that are not learnt from; empty: nothing is validated,
            and `keeps`, `schedule` and `stop_patience` cannot go by it.
        network: ``model4``, ``model5`` or ``model6``, those of InclinET; ``small_cnn``, which learns more of fewer
            images; or ``extractor``, of whose features a few layers learn.
        extractor: the extractor, where that is the network; None: it is not.
        fine_tune: whether the extractor's network learns too; else it is frozen.
        passes: number of passes over the batches.
        minibatch: number of images in a step of the optimizer.
        learning_rate: of Adam, in the first step after the warm-up.
        warm_up: minibatches at the beginning over which the learning rate rises along a line, at most half of all;
            0: there is no warm-up, as InclinET has none; None: 100, or with `original` 0.
        schedule: how the learning rate falls: ``constant``: not at all; ``cosine``: along half a cosine to a hundredth;
            ``plateau``: to a tenth whenever two batches have not made the validation better.
        seed: of the first weights, the order of batches and images, dropout, and the batches that are made.
        sub_sample: number of the sub-sample that the batches are of, 0 of all galaxies; with `original` the order of
            batches depends on it.
        n_batches: with `sample_locs`: number of batches in a pass.
        per_bin: with `sample_locs`: number of images of colour a bin of 5 degrees, or a class, in a batch; there are
            as many grey ones.
        backend: what trains: ``torch``, or ``tensorflow``, as InclinET's authors did: model4, model5 and model6, in
            products of float32 alone.
        input_scale: what enters the network: ``unit``, pixels of 0 to 1, or ``raw``, pixels of 0 to 255; an extractor
            has a way of its own.
        precision: of products: ``float32``, ``bfloat16``, or ``auto``: the latter where the processor is made for it.
        stop_patience: number of batches after which the training stops if the validation has not become better; None:
            it does not.
        keeps: the weights that are the result: the ``last`` ones, or the ``best``, by the loss of the validation.
        original: as InclinET does: its order of batches, its changes of images, and galaxies that are held out for
            the test may validate.
        snapshots_loc: a folder for a snapshot after each batch; a training that was interrupted is resumed from the
            newest. None: no snapshots.
        n_snapshots: number of snapshots that are kept.
        metrics_loc: where the metrics go, JSON, written anew after each batch; None: nowhere.
        figure_loc: where a picture of them goes; None: not drawn.
    """

    model_loc: WritableLocation
    batch_locs: list[Location] = Field(default_factory=list, max_length=100_000)
    sample_locs: list[Location] = Field(default_factory=list, max_length=1000)
    validation_locs: list[Location] = Field(default_factory=list, max_length=1000)
    network: Network = "model4"
    extractor: OptionalExtractorField = None  # type: ignore[assignment]
    fine_tune: StrictBool = False
    passes: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1
    minibatch: Annotated[StrictInt, Field(ge=2, le=4096)] = 64
    learning_rate: Annotated[StrictFloat, Field(gt=0, le=1)] = 1e-3
    warm_up: Annotated[StrictInt, Field(ge=0, le=1_000_000)] | None = None
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    seed: Seed = 0
    sub_sample: Annotated[StrictInt, Field(ge=0, le=1000)] = 0
    n_batches: Annotated[StrictInt, Field(ge=1, le=100_000)] = 50
    per_bin: Annotated[StrictInt, Field(ge=1, le=100_000)] = 1000
    backend: Literal["torch", "tensorflow"] = "torch"
    input_scale: Literal["unit", "raw"] = "unit"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    stop_patience: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None
    keeps: Literal["last", "best"] = "last"
    original: StrictBool = False
    snapshots_loc: WritableFolder | None = None
    n_snapshots: Annotated[StrictInt, Field(ge=1, le=100_000)] = 2
    metrics_loc: WritableLocation | None = None
    figure_loc: WritableLocation | None = None

    @property
    def by_validation(self) -> list[str]:
        """The names of its fields whose values go by the validation."""
        given = {
            "keeps": self.keeps == "best",
            "stop_patience": self.stop_patience is not None,
            "schedule": self.schedule == "plateau",
        }
        return [name for name, goes_by_it in given.items() if goes_by_it]

    def implied_inputs(self) -> dict[str, DataLocation]:
        return indexes_beside([*self.batch_locs, *self.sample_locs, *self.validation_locs])

    @classmethod
    def example(cls) -> Self:
        return cls(
            model_loc=DataLocation("memory", "models/model4.safetensors"),
            batch_locs=[DataLocation("memory", "augmented/Uset_001_npz/128x128_train_aug_00.npz")],
            validation_locs=[DataLocation("memory", "samples/RGB_128x128_test_001.npz")],
        )


class TrainRegressorMsg(TrainingMsg, Answered["TrainRegressorReturnMsg"]):
    """Train a network that tells the inclination of a galaxy from its image."""

    task: ClassVar[str] = "train_regressor"


class TrainGoodBadMsg(TrainingMsg, Answered["TrainGoodBadReturnMsg"]):
    """Train a network that tells galaxies with an inclination from those that are rejected or seen face-on."""

    task: ClassVar[str] = "train_good_bad"


class TrainingReturnMsg(ReturnMessage, metaclass=ByKeyword):
    """How the training went: what both trainings return.

    Fields:
        n_parameters: numbers that the network has learnt.
        precision: of products: ``float32`` or ``bfloat16``.
        steps: batches that were learnt from, those before a resumption included.
        resumed_from: the number of batches after which the training was resumed; 0: it started anew.
        best_step: the batch with the least loss of the validation, counted from 1; without a validation the last one.
        n_validation: images of the validation.
        loss: over the last batch, as it was learnt from.
        validation_loss: after the batch whose weights were kept; None: nothing was validated.
        warnings: sentences about what has gone wrong, such as that the network says the same of all images.
    """

    n_parameters: int
    precision: str
    steps: int
    resumed_from: int
    best_step: int
    n_validation: int
    loss: float
    validation_loss: float | None
    # Those of earlier versions had none.
    warnings: list[str] = Field(default_factory=list)
    runtime: Runtime

    @classmethod
    def example_fields(cls) -> dict[str, Any]:
        """What examples have in common."""
        return {
            "n_parameters": 320385,
            "precision": "bfloat16",
            "steps": 5,
            "resumed_from": 0,
            "best_step": 5,
            "n_validation": 400,
            "loss": 0.1,
            "validation_loss": 0.1,
            "warnings": [],
            "runtime": 60.0,
        }


class TrainRegressorReturnMsg(TrainingReturnMsg):
    """Errors of the network.

    Fields:
        rms: root of the mean square of the errors of the validation, degrees; None: nothing was validated.
        mae: mean of their absolute values, degrees; None: nothing was validated.
    """

    rms: float | None
    mae: float | None

    @classmethod
    def example(cls) -> Self:
        return cls(**cls.example_fields(), rms=3.3, mae=2.4)


class TrainGoodBadReturnMsg(TrainingReturnMsg):
    """Accuracy of the network.

    Fields:
        accuracy: share of the images of the validation whose class is right; None: nothing was validated.
    """

    accuracy: float | None

    @classmethod
    def example(cls) -> Self:
        return cls(**cls.example_fields(), accuracy=0.9)
