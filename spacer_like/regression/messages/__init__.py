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

__all__ = [
    "AugmentDatasetMsg",
    "AugmentDatasetReturnMsg",
    "CatalogFault",
    "PackDatasetMsg",
    "PackDatasetReturnMsg",
    "PrepareImagesMsg",
    "PrepareImagesReturnMsg",
    "SplitDatasetMsg",
    "SplitDatasetReturnMsg",
]
