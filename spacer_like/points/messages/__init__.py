"""Every message of the points family."""

from spacer_like.points.messages.classifier import (
    ClassifyFeaturesMsg,
    ClassifyImageMsg,
    ClassifyReturnMsg,
    ExtractFeaturesMsg,
    ExtractFeaturesReturnMsg,
    LeftOutClass,
    TrainClassifierMsg,
    TrainClassifierReturnMsg,
)
from spacer_like.points.messages.cover import CoverOfLabel, EstimateCoverMsg, EstimateCoverReturnMsg
from spacer_like.points.messages.pack import PackFeaturesMsg, PackFeaturesReturnMsg
from spacer_like.points.messages.plan import PlannedLabel, PlanSurveyMsg, PlanSurveyReturnMsg
from spacer_like.points.messages.suggest import (
    SuggestedLabel,
    SuggestedPoint,
    SuggestLabelsMsg,
    SuggestLabelsReturnMsg,
)

__all__ = [
    "ClassifyFeaturesMsg",
    "ClassifyImageMsg",
    "ClassifyReturnMsg",
    "CoverOfLabel",
    "EstimateCoverMsg",
    "EstimateCoverReturnMsg",
    "ExtractFeaturesMsg",
    "ExtractFeaturesReturnMsg",
    "LeftOutClass",
    "PackFeaturesMsg",
    "PackFeaturesReturnMsg",
    "PlanSurveyMsg",
    "PlanSurveyReturnMsg",
    "PlannedLabel",
    "SuggestLabelsMsg",
    "SuggestLabelsReturnMsg",
    "SuggestedLabel",
    "SuggestedPoint",
    "TrainClassifierMsg",
    "TrainClassifierReturnMsg",
]
