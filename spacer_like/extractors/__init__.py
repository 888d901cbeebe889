"""Extractors: pixels to feature vectors. Importing them imports neither torch nor numpy."""

from spacer_like.extractors.band_extractors import BandStatisticsExtractor, RandomFeaturesExtractor
from spacer_like.extractors.base import DummyExtractor, FeatureExtractor
from spacer_like.extractors.dense import DenseLite0Extractor
from spacer_like.extractors.efficientnet import EfficientNetExtractor
from spacer_like.extractors.efficientnet_lite import EfficientNetLite0Extractor, EfficientNetLite2Extractor
from spacer_like.extractors.named import extractor_named
from spacer_like.extractors.open_clip_extractor import OpenClipExtractor
from spacer_like.extractors.resnet import ResNet50Extractor
from spacer_like.extractors.timm_extractor import TimmExtractor
from spacer_like.extractors.torch_extractors import TorchExtractor
from spacer_like.extractors.vgg16_caffe import VGG16CaffeExtractor

__all__ = [
    "BandStatisticsExtractor",
    "DenseLite0Extractor",
    "DummyExtractor",
    "EfficientNetExtractor",
    "EfficientNetLite0Extractor",
    "EfficientNetLite2Extractor",
    "FeatureExtractor",
    "OpenClipExtractor",
    "RandomFeaturesExtractor",
    "ResNet50Extractor",
    "TimmExtractor",
    "TorchExtractor",
    "VGG16CaffeExtractor",
    "extractor_named",
]
