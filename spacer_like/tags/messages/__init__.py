"""Every message of the tags family."""

from spacer_like.tags.messages.classify import ClassifyImagesMsg, ClassifyImagesReturnMsg
from spacer_like.tags.messages.process import (
    DuplicateGroup,
    FindDuplicatesMsg,
    FindDuplicatesReturnMsg,
    FindSimilarImagesMsg,
    FindSimilarImagesReturnMsg,
    ProcessImagesMsg,
    ProcessImagesReturnMsg,
    SimilarImage,
)
from spacer_like.tags.messages.train import (
    Suggestion,
    SuggestReviewMsg,
    SuggestReviewReturnMsg,
    TagWithoutModel,
    TrainedTag,
    TrainTagsMsg,
    TrainTagsReturnMsg,
)

__all__ = [
    "ClassifyImagesMsg",
    "ClassifyImagesReturnMsg",
    "DuplicateGroup",
    "FindDuplicatesMsg",
    "FindDuplicatesReturnMsg",
    "FindSimilarImagesMsg",
    "FindSimilarImagesReturnMsg",
    "ProcessImagesMsg",
    "ProcessImagesReturnMsg",
    "SimilarImage",
    "SuggestReviewMsg",
    "SuggestReviewReturnMsg",
    "Suggestion",
    "TagWithoutModel",
    "TrainTagsMsg",
    "TrainTagsReturnMsg",
    "TrainedTag",
]
