"""Every message of the regression family."""

from spacer_like.regression.messages.data import (
    AugmentDatasetMsg,
    AugmentDatasetReturnMsg,
    CatalogFault,
    PackDatasetMsg,
    PackDatasetReturnMsg,
    PrepareImagesMsg,
    PrepareImagesReturnMsg,
    SplitDatasetMsg,
    SplitDatasetReturnMsg,
)
from spacer_like.regression.messages.galaxies import (
    MeasureAxisRatiosMsg,
    MeasureAxisRatiosReturnMsg,
    SimulateGalaxiesMsg,
    SimulateGalaxiesReturnMsg,
)
from spacer_like.regression.messages.prediction import (
    BandCoverage,
    CalibrateRegressorMsg,
    CalibrateRegressorReturnMsg,
    EvaluateRegressorMsg,
    EvaluateRegressorReturnMsg,
    PredictRegressorMsg,
    PredictRegressorReturnMsg,
)
from spacer_like.regression.messages.training import (
    TrainGoodBadMsg,
    TrainGoodBadReturnMsg,
    TrainRegressorMsg,
    TrainRegressorReturnMsg,
)
from spacer_like.regression.messages.weights import (
    ExportOnnxMsg,
    ExportOnnxReturnMsg,
    ImportKerasWeightsMsg,
    ImportKerasWeightsReturnMsg,
)

__all__ = [
    "AugmentDatasetMsg",
    "AugmentDatasetReturnMsg",
    "BandCoverage",
    "CalibrateRegressorMsg",
    "CalibrateRegressorReturnMsg",
    "CatalogFault",
    "EvaluateRegressorMsg",
    "EvaluateRegressorReturnMsg",
    "ExportOnnxMsg",
    "ExportOnnxReturnMsg",
    "ImportKerasWeightsMsg",
    "ImportKerasWeightsReturnMsg",
    "MeasureAxisRatiosMsg",
    "MeasureAxisRatiosReturnMsg",
    "PackDatasetMsg",
    "PackDatasetReturnMsg",
    "PredictRegressorMsg",
    "PredictRegressorReturnMsg",
    "PrepareImagesMsg",
    "PrepareImagesReturnMsg",
    "SimulateGalaxiesMsg",
    "SimulateGalaxiesReturnMsg",
    "SplitDatasetMsg",
    "SplitDatasetReturnMsg",
    "TrainGoodBadMsg",
    "TrainGoodBadReturnMsg",
    "TrainRegressorMsg",
    "TrainRegressorReturnMsg",
]
