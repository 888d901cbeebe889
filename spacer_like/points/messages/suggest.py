"""Messages about which points to label next."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt
from typing_extensions import Doc, Self

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

By = Literal["both", "uncertainty", "diversity"]
MOST_SUGGESTED = 5000

FeaturesFolder = Annotated[
    Location, Folder(r"(?s).*\.(features|featurevector|npz)"), Doc("the folder or prefix of the feature files.")
]


class SuggestLabelsMsg(Message, Answered["SuggestLabelsReturnMsg"]):
    """Choose the points, or the images, whose labels teach a classifier most: a list, and a page to label them on.

    Fields:
        classifier_loc: the classifier that is to learn; None: there is none yet, and diversity alone counts.
        labels_loc: a table of points with the columns image, row, col, label: those with a label are not suggested, and
            what is like those of them that the feature files hold is not new; None: nothing is labelled.
        by: what counts: how uncertain the classifier is (``uncertainty``), how unlike a point is to what is labelled
            and chosen already (``diversity``), or ``both``.
        uncertainty: ``margin``: the smaller the difference of the two best probabilities, the more uncertain;
            ``entropy``: of all probabilities.
        unit: whether single points are chosen, or whole images, with all of their points that have no label.
        of_image: an image's uncertainty: the ``mean`` of its points', or the ``highest``.
        count: how many points, or images, are wanted.
        most_per_image: how many points of one image at most; None: any number.
        seed: of the candidates by diversity that are drawn of more than 20,000, and of 5,000 labelled points.
        suggestions_loc: where the list goes, CSV or Parquet: image, row, column, an empty label to fill in, the five
            best labels with their probabilities, and the reason; None: it is only answered.
        page_loc: where a page goes, HTML, on which a person labels the points by keyboard; None: nowhere. It needs
            `images_loc`.
        images_loc: where the images are, for the page: a folder or prefix, or an archive; None: no page is made.
        patch_size: width and height in pixels of what the page shows of each point: what the extractor sees.
    """

    task: ClassVar[str] = "suggest_labels"

    features_loc: FeaturesFolder
    classifier_loc: Location | None = None
    labels_loc: Location | None = None
    by: By = "both"
    uncertainty: Literal["margin", "entropy"] = "margin"
    unit: Literal["points", "images"] = "points"
    of_image: Literal["mean", "highest"] = "mean"
    count: Annotated[StrictInt, Field(ge=1, le=MOST_SUGGESTED)] = 100
    most_per_image: Annotated[StrictInt, Field(ge=1, le=MOST_SUGGESTED)] | None = None
    seed: Seed = 0
    suggestions_loc: WritableLocation | None = None
    page_loc: WritableLocation | None = None
    images_loc: Annotated[Location, Folder(r"(?i).+\.(png|jpe?g|gif|bmp|tiff?|webp)")] | None = None
    patch_size: Annotated[StrictInt, Field(ge=8, le=4096)] = 224

    @classmethod
    def example(cls) -> Self:
        return cls(
            features_loc=DataLocation("memory", "features"),
            classifier_loc=DataLocation("memory", "reef.model.safetensors"),
            labels_loc=DataLocation("memory", "labels.csv"),
            suggestions_loc=DataLocation("memory", "next.csv"),
        )


class SuggestedLabel(ReturnMessage):
    """A label that the classifier holds possible.

    Fields:
        label: the label.
        probability: from 0 to 1.
    """

    label: str
    probability: float


class SuggestedPoint(ReturnMessage):
    """A point to label.

    Fields:
        image: the image's name: the path of its feature file in the folder, without that file's ending.
        row: its row in pixels.
        column: its column in pixels.
        labels: the best first, five at most; none without a classifier.
        reason: the uncertainty from 0 to 1, and the squared distance, from 0 to 4, from the nearest point, or of images
            image, that is labelled or comes before it in the list.
    """

    image: str
    row: int
    column: int
    labels: list[SuggestedLabel]
    reason: str


class SuggestLabelsReturnMsg(ReturnMessage):
    """What to label next.

    Fields:
        suggestions: the most useful first: the first 1,000.
        n_suggested: how many points there are in all.
        n_images: how many images they are of.
        n_candidates: points without a label.
        n_labelled: points of the feature files that have one.
        n_without_features: labelled points of the table that no feature file has; nothing is compared with them.
        by: what counted; without a classifier ``diversity``.
        unseen: images that are not where the page's pictures are taken from, or cannot be read; they are not on it.
    """

    suggestions: list[SuggestedPoint]
    n_suggested: int
    n_images: int
    n_candidates: int
    n_labelled: int
    n_without_features: int
    by: By
    unseen: list[str]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        labels = [
            SuggestedLabel(label="Porites", probability=0.48),
            SuggestedLabel(label="Pocillopora", probability=0.4),
        ]
        point = SuggestedPoint(
            image="001.jpg", row=10, column=20, labels=labels, reason="margin uncertainty 0.92, distance 1.13"
        )
        return cls(
            suggestions=[point],
            n_suggested=1,
            n_images=1,
            n_candidates=950,
            n_labelled=50,
            n_without_features=0,
            by="both",
            unseen=[],
            runtime=0.5,
        )
