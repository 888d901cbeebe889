"""Messages of the rarity family.

``images_loc`` is everywhere one of these: a folder (on S3 and in memory a prefix), whose files are images named by
their token id, with or without an extension; an archive of such files (``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``); or
a stack that `convert_collection` has made (``.npz``), whose ids lie beside it in ``ids.npz``. Tables are CSV or
Parquet, as the location's ending says.
"""

from spacer_like.message_base import Seed, Share, Unreadable
from spacer_like.rarity.messages.collections import (
    CheckCollectionMsg,
    CheckCollectionReturnMsg,
    ConvertCollectionMsg,
    ConvertCollectionReturnMsg,
)
from spacer_like.rarity.messages.embeddings import (
    HEAD_LAYERS,
    EmbeddingMethod,
    EmbeddingScoreMsg,
    EmbeddingScoreReturnMsg,
    TrainRarityClassifierMsg,
    TrainRarityClassifierReturnMsg,
)
from spacer_like.rarity.messages.histograms import (
    ComputeHistogramMsg,
    ComputeHistogramReturnMsg,
    MergeHistogramsMsg,
    MergeHistogramsReturnMsg,
)
from spacer_like.rarity.messages.preparation import CollectionId, PreparationMsg, Resample, Unreadables
from spacer_like.rarity.messages.scoring import (
    Correlations,
    ExplainImageMsg,
    ExplainImageReturnMsg,
    Method,
    RareCell,
    RareColour,
    ScoreCollectionMsg,
    ScoreCollectionReturnMsg,
    ScoreUnseenMsg,
    ScoreUnseenReturnMsg,
    ScoringMsg,
    UnseenScore,
)
from spacer_like.rarity.messages.tables import (
    QUANTILE_PROBABILITIES,
    AnalyzeScoresMsg,
    AnalyzeScoresReturnMsg,
    BucketizeScoresMsg,
    BucketizeScoresReturnMsg,
    CollectionMean,
    CompareRankingsMsg,
    CompareRankingsReturnMsg,
    MergeScoresMsg,
    MergeScoresReturnMsg,
    RankingComparison,
)

__all__ = [
    "HEAD_LAYERS",
    "QUANTILE_PROBABILITIES",
    "AnalyzeScoresMsg",
    "AnalyzeScoresReturnMsg",
    "BucketizeScoresMsg",
    "BucketizeScoresReturnMsg",
    "CheckCollectionMsg",
    "CheckCollectionReturnMsg",
    "CollectionId",
    "CollectionMean",
    "CompareRankingsMsg",
    "CompareRankingsReturnMsg",
    "ComputeHistogramMsg",
    "ComputeHistogramReturnMsg",
    "ConvertCollectionMsg",
    "ConvertCollectionReturnMsg",
    "Correlations",
    "EmbeddingMethod",
    "EmbeddingScoreMsg",
    "EmbeddingScoreReturnMsg",
    "ExplainImageMsg",
    "ExplainImageReturnMsg",
    "MergeHistogramsMsg",
    "MergeHistogramsReturnMsg",
    "MergeScoresMsg",
    "MergeScoresReturnMsg",
    "Method",
    "PreparationMsg",
    "RankingComparison",
    "RareCell",
    "RareColour",
    "Resample",
    "ScoreCollectionMsg",
    "ScoreCollectionReturnMsg",
    "ScoreUnseenMsg",
    "ScoreUnseenReturnMsg",
    "ScoringMsg",
    "Seed",
    "Share",
    "TrainRarityClassifierMsg",
    "TrainRarityClassifierReturnMsg",
    "Unreadable",
    "Unreadables",
    "UnseenScore",
]
