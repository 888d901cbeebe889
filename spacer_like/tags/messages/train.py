"""Messages about models of tags, and people's corrections."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr
from typing_extensions import Doc, Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Folder,
    Location,
    Message,
    PartialShare,
    ReturnMessage,
    Runtime,
    Seed,
    WritableFolder,
    WritableLocation,
)
from spacer_like.tags.messages.process import EmbeddingsLocation, ImagesLocation

ModelType = Literal["ovr-logistic-regression", "ovr-svm"]
MODEL_TYPES: tuple[ModelType, ...] = ("ovr-logistic-regression", "ovr-svm")
Tags = Annotated[list[Annotated[StrictStr, Field(min_length=1, max_length=1000)]], Field(min_length=1)]
ModelsLocation = Annotated[
    Location, Folder(r"model-.+\.(safetensors|pkl)$"), Doc("a folder of models of `train_tags`, or one model's file.")
]
Distance = Annotated[StrictFloat | StrictInt, Field(ge=0, le=2)]


class TrainTagsMsg(Message, Answered["TrainTagsReturnMsg"]):
    """Train a model for each tag, of each type, and report how good it is on images that it has not learnt from.

    The images come from a table of `process_images`, or from two JSON files of image-tagging-tools. The tags
    ``other-training`` and ``other-validation`` get no model: images of the first are what a tag is told from, and those
    of the second only show what models say of images that are of no tag.

    Fields:
        embeddings_loc: a table of `process_images`; None: the JSON files are given.
        metadata_json_loc: records of the images by their hash, in the JSON of image-tagging-tools; None: a table is
            given.
        tag_to_hash_json_loc: the hashes of each tag, in the JSON of image-tagging-tools; None: a table is given.
        models_loc: the folder where the models go, ``model-<type>-tag-<tag>.safetensors``; models of other tags and
            types that are there already stay.
        reports_loc: the folder where the reports go, as text and JSON; None: nowhere.
        corrections_loc: a CSV of people's answers, saved by the page of `suggest_review`, which join the training and
            have precedence over the tags; images that were answered about are never held out. None: there are none.
        reviewed_locs: further tables of embeddings, such as that of a classification; of their images those are learnt
            from that corrections answer about.
        tags: the tags that get a model; None: all.
        model_types: the types of models.
        negatives: what a tag is told from: images of ``other-training`` alone, or ``rest``: all that do not have it.
        split: ``hash``: images are held out by a hash of their pixels and `seed`, near duplicates together; ``first``:
            the first ones of each tag, as image-tagging-tools does.
        test_share: share of the images that are held out.
        duplicate_distance: images whose vectors of length one are nearer are near duplicates, which are all learnt from
            or all held out; 0 to 2.
        precision: the precision that tags are to have, with a confidence of 95 %, as the images show that are held out:
            an image whose score does not reach it goes to a person. None: the threshold is that of the best F1.
    """

    task: ClassVar[str] = "train_tags"

    models_loc: WritableFolder
    embeddings_loc: EmbeddingsLocation | None = None
    metadata_json_loc: Location | None = None
    tag_to_hash_json_loc: Location | None = None
    reports_loc: WritableFolder | None = None
    corrections_loc: Location | None = None
    reviewed_locs: list[Location] = Field(default_factory=list)
    tags: Tags | None = None
    model_types: Annotated[list[ModelType], Field(min_length=1)] = Field(default_factory=lambda: list(MODEL_TYPES))
    negatives: Literal["other-training", "rest"] = "other-training"
    split: Literal["hash", "first"] = "hash"
    test_share: PartialShare = 0.1
    duplicate_distance: Distance = 0.25
    precision: PartialShare | None = None
    seed: Seed = 0

    @classmethod
    def example(cls) -> Self:
        return cls(
            models_loc=DataLocation("memory", "models"),
            embeddings_loc=DataLocation("memory", "embeddings.parquet"),
        )


class TrainedTag(ReturnMessage):
    """A model, and how good it is on the images that were held out.

    Fields:
        tag: what it predicts.
        model_type: as in the request.
        model_loc: the file.
        n_tag: images with the tag that it learnt from.
        n_other: images without it that it learnt from.
        n_test_tag: images with the tag that were held out.
        n_test_other: images without it that were held out.
        threshold: score at which the tag is given; None: no score is sure enough for the precision that is wanted.
        review_threshold: score at which a person is asked.
        accuracy: share of the images that were held out for which the model is right; None: nothing was held out.
        average_precision: on them; None: nothing was held out, or all of one kind.
        roc_auc: on them; None: nothing was held out, or all of one kind.
    """

    tag: str
    model_type: str
    model_loc: Location
    n_tag: int
    n_other: int
    n_test_tag: int
    n_test_other: int
    threshold: float | None
    review_threshold: float
    accuracy: float | None
    average_precision: float | None
    roc_auc: float | None


class TagWithoutModel(ReturnMessage):
    """A tag that got no model.

    Fields:
        tag: the tag.
        reason: why.
    """

    tag: str
    reason: str


class TrainTagsReturnMsg(ReturnMessage):
    """The models.

    Fields:
        models: in the order of the tags, and of the types.
        without_model: tags that got no model, with reasons.
        n_earlier_models: models in the folder that this training has not made, of other tags or types.
        earlier_models: the names of their files: the first 1,000 of them.
        n_images: images that could be learnt from.
        n_corrections: answers of people that were used, one for each image and tag.
        n_contradicted_corrections: answers that a later one about the same image and tag contradicts, which counts.
        n_unknown_corrections: answers about images that are not there.
        unknown_corrections: the paths or ids of these images: the first 1,000 of them.
        mean_average_precision: of the models of each type, by the type, on the images that were held out.
    """

    models: list[TrainedTag]
    without_model: list[TagWithoutModel]
    n_earlier_models: int
    earlier_models: list[str]
    n_images: int
    n_corrections: int
    n_contradicted_corrections: int
    n_unknown_corrections: int
    unknown_corrections: list[str]
    mean_average_precision: dict[str, float]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        model = TrainedTag(
            tag="cat",
            model_type="ovr-logistic-regression",
            model_loc=DataLocation("memory", "models/model-ovr-logistic-regression-tag-cat.safetensors"),
            n_tag=13,
            n_other=11,
            n_test_tag=2,
            n_test_other=2,
            threshold=0.6,
            review_threshold=0.6,
            accuracy=1.0,
            average_precision=1.0,
            roc_auc=1.0,
        )
        return cls(
            models=[model],
            without_model=[TagWithoutModel(tag="dog", reason="It has no image.")],
            n_earlier_models=0,
            earlier_models=[],
            n_images=28,
            n_corrections=0,
            n_contradicted_corrections=0,
            n_unknown_corrections=0,
            unknown_corrections=[],
            mean_average_precision={"ovr-logistic-regression": 1.0},
            runtime=0.5,
        )


class SuggestReviewMsg(Message, Answered["SuggestReviewReturnMsg"]):
    """Choose the images about which a person's yes or no teaches a tag most, and draw them.

    Fields:
        tags: the tags to ask about; None: all that have a model.
        model_type: the type of the models that are asked.
        n_uncertain: images of each tag whose score is nearest to its threshold.
        n_likely: images of each tag that do not have it and have the highest scores.
        corrections_loc: answers that were given before, about which nobody is asked again; None: there are none.
        images_loc: where the images are, for pictures, as it was given to `process_images`; None: none are drawn.
        page_loc: where a page goes on which a person clicks yes or no and saves the answers, HTML that needs no server;
            None: nowhere. It needs `images_loc`.
        contact_sheet_loc: where a picture of the images goes; None: not drawn. It needs `images_loc`.
        suggestions_loc: where the images go as a table, CSV or Parquet; None: nowhere.
    """

    task: ClassVar[str] = "suggest_review"

    embeddings_loc: EmbeddingsLocation
    models_loc: ModelsLocation
    tags: Tags | None = None
    model_type: ModelType = "ovr-logistic-regression"
    n_uncertain: Annotated[StrictInt, Field(ge=0, le=1000)] = 10
    n_likely: Annotated[StrictInt, Field(ge=0, le=1000)] = 10
    corrections_loc: Location | None = None
    images_loc: ImagesLocation | None = None
    page_loc: WritableLocation | None = None
    contact_sheet_loc: WritableLocation | None = None
    suggestions_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(embeddings_loc=DataLocation("memory", "embeddings.parquet"), models_loc=DataLocation("memory", "m"))


class Suggestion(ReturnMessage):
    """An image to ask a person about.

    Fields:
        tag: the tag in question.
        id: the image's id in the table.
        path: its path there.
        kind: ``uncertain`` or ``likely``.
        score: probability of the tag, 0 to 1.
    """

    tag: str
    id: str
    path: str
    kind: Literal["uncertain", "likely"]
    score: float


class SuggestReviewReturnMsg(ReturnMessage):
    """The images to ask a person about.

    Fields:
        suggestions: by the tag; of each tag the uncertain ones before the likely ones, the most telling first.
        n_without_picture: images that are asked about and could not be drawn.
    """

    suggestions: list[Suggestion]
    n_without_picture: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        one = Suggestion(tag="cat", id="0" * 32, path="photographs/new/1.jpg", kind="uncertain", score=0.5)
        return cls(suggestions=[one], n_without_picture=0, runtime=0.1)
