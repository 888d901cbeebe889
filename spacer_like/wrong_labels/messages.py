"""The message about labels that look wrong."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator
from typing_extensions import Self

from spacer_like.data_classes import ImageLabels
from spacer_like.exceptions import MessageError
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Folder,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    Seed,
    WritableLocation,
)

__all__ = ["FindWrongLabelsMsg", "FindWrongLabelsReturnMsg", "WrongLabel", "WrongPair"]

TextByKey = dict[StrictStr, StrictStr]


class FindWrongLabelsMsg(Message, Answered["FindWrongLabelsReturnMsg"]):
    """Find labels that look wrong, by classifiers that have not learnt from them, and draw them for a person.

    They are labels of points, tags of images, or labels of chips. Each is judged by logistic regressions that were
    trained without its fold, and looks wrong by confident learning (Northcutt, Jiang and Chuang, 2021).

    Fields:
        labels: annotated points by their feature files, as `train_classifier` takes them; None: tags or chips are
            judged.
        checked: labels of points that a person has checked, by their feature files: they count instead of those in
            `labels`, and are not asked about again; None: there are none.
        image_names: what tables call the image of each feature file, by the file's key; None: as the key, without the
            ending of a feature file.
        image_sources: the source of images (a site, a survey, a camera) by the key of their feature file: its points
            lie in one fold; None: those of one image do.
        embeddings_loc: a table of `process_images`, whose tags are judged; or with `table_loc` the vectors of
            `encode_chips`; None: points are judged.
        table_loc: a table of 0 and 1 of `build_label_table`, whose labels are judged; None: points or tags are.
        corrections_loc: a CSV of people's answers about tags, or labels of chips, as the page saves it: they count, and
            are not asked about again; None: there are none.
        grouped: whether what resembles each other lies in one fold: points of one image, nearly equal images,
            neighbouring chips. Without it labels are judged by their neighbours too, whose errors may be the same.
        rule: what looks wrong: ``confident_joint``: every label whose example is of another class confidently;
            ``noise_rate``: of each pair of classes as many as are estimated to be wrong, those with the greatest margin
            first.
        folds: how many; there are not more than groups.
        most: how many labels, the likeliest wrong ones first, are on the page and in the answer.
        crop_size: width and height, in pixels, of the picture of a point.
        images_loc: where the images are, for pictures: a folder, a prefix or an archive, in which they are found by
            the ends of their paths; None: none are drawn.
        wrong_loc: where the labels that look wrong go as a table, CSV or Parquet; None: nowhere.
        pairs_loc: where the number of such labels goes for each given and each likely label, CSV or Parquet; None:
            nowhere.
        page_loc: where a page goes on which a person corrects or confirms the labels and saves the answers, HTML that
            needs no server; None: nowhere. It needs `images_loc`.
    """

    task: ClassVar[str] = "find_wrong_labels"

    labels: ImageLabels | None = None
    checked: ImageLabels | None = None
    image_names: TextByKey | None = None
    image_sources: TextByKey | None = None
    embeddings_loc: Location | None = None
    table_loc: Location | None = None
    corrections_loc: Location | None = None
    grouped: StrictBool = True
    rule: Literal["confident_joint", "noise_rate"] = "confident_joint"
    folds: Annotated[StrictInt, Field(ge=2, le=20)] = 5
    most: Annotated[StrictInt, Field(ge=1, le=1000)] = 200
    crop_size: Annotated[StrictInt, Field(ge=8, le=4096)] = 224
    images_loc: Annotated[Location, Folder(r"(?i).*\.(gif|jpe?g|png|p[pg]m|bmp|tiff?|webp)$")] | None = None
    wrong_loc: WritableLocation | None = None
    pairs_loc: WritableLocation | None = None
    page_loc: WritableLocation | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.labels is None) == (self.embeddings_loc is None):
            raise MessageError("give labels of points, or embeddings_loc, and not both")
        if self.table_loc is not None and self.embeddings_loc is None:
            raise MessageError("table_loc: labels of chips need embeddings_loc, the chips' vectors")
        if self.corrections_loc is not None and self.embeddings_loc is None:
            raise MessageError("corrections_loc: answers about points belong into checked")
        if self.labels is not None and self.labels.has_text_keys:
            raise MessageError("labels: features must be named by locations, not by text")
        if self.page_loc is not None and self.images_loc is None:
            raise MessageError("page_loc: a page needs images_loc, where the images are that are drawn")
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(
            embeddings_loc=DataLocation("memory", "embeddings.safetensors"),
            table_loc=DataLocation("memory", "labels/sparse.parquet"),
        )


class WrongLabel(ReturnMessage):
    """A label that looks wrong.

    Fields:
        name: of the image or chip.
        row: of the point in it; None: the label is of the whole image.
        column: of the point; None: as `row`.
        tag: the tag or label in question; None: points have one label each.
        given: the label that it has; of a tag ``yes`` or ``no``.
        likely: what it should be.
        likely_probability: of that, 0 to 1.
        self_confidence: the probability of the given label, 0 to 1.
        score: 0 to 1; the lower it is, the likelier the label is wrong.
    """

    name: str
    row: int | None
    column: int | None
    tag: str | None
    given: str
    likely: str
    likely_probability: float
    self_confidence: float
    score: float


class WrongPair(ReturnMessage):
    """How many labels of one kind look as if they should be of another one.

    Fields:
        tag: the tag or label in question; None: points have one label each.
        given: the label that they have; of a tag ``yes`` or ``no``.
        likely: what they should be.
        n_wrong: how many look so.
        estimated: how many are estimated to be so.
    """

    tag: str | None
    given: str
    likely: str
    n_wrong: int
    estimated: float


class FindWrongLabelsReturnMsg(ReturnMessage):
    """The labels that look wrong.

    Fields:
        kind: what was judged: ``points``, ``tags`` or ``chips``.
        n_labels: labels that there are: of points, or of each image for each tag.
        n_judged: those that could be judged: others are of classes that nothing else teaches.
        not_judged: classes or tags of which some or all labels could not be judged, with the number of these.
        n_without_features: chips of the table that have no vector.
        n_unknown_corrections: answers about images, chips or tags that are not there.
        n_wrong: labels that look wrong.
        share: estimated share of wrong labels among those judged, 0 to 1.
        interval: of the share with 95 % confidence, from drawing groups (images, neighbourhoods) anew; None: there are
            too few groups. It does not hold what the classifiers cannot tell apart.
        pairs: of given and likely labels, the most frequent first: the first 1,000 of them.
        wrong: the likeliest wrong ones first: as many as `most`.
        n_without_picture: of these, labels that are not on the page, as their image could not be found or drawn.
    """

    kind: Literal["points", "tags", "chips"]
    n_labels: int
    n_judged: int
    not_judged: dict[str, int]
    n_without_features: int
    n_unknown_corrections: int
    n_wrong: int
    share: float
    interval: tuple[float, float] | None
    pairs: list[WrongPair]
    wrong: list[WrongLabel]
    n_without_picture: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        one = WrongLabel(
            name="reef/001.jpg",
            row=120,
            column=340,
            tag=None,
            given="sand",
            likely="coral",
            likely_probability=0.93,
            self_confidence=0.02,
            score=0.05,
        )
        return cls(
            kind="points",
            n_labels=267,
            n_judged=265,
            not_judged={"sponge": 2},
            n_without_features=0,
            n_unknown_corrections=0,
            n_wrong=12,
            share=0.05,
            interval=(0.03, 0.08),
            pairs=[WrongPair(tag=None, given="sand", likely="coral", n_wrong=7, estimated=8.4)],
            wrong=[one],
            n_without_picture=0,
            runtime=1.5,
        )
