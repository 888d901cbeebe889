from spacer_like import config as config
from spacer_like import messages as messages
from spacer_like import storage as storage
from spacer_like import tasks as tasks
from spacer_like.data_classes import Annotation as Annotation
from spacer_like.data_classes import DataLocation as DataLocation
from spacer_like.data_classes import ImageFeatures as ImageFeatures
from spacer_like.data_classes import ImageLabels as ImageLabels
from spacer_like.data_classes import TrainingTaskLabels as TrainingTaskLabels
from spacer_like.data_classes import ValResults as ValResults
from spacer_like.exceptions import MessageError as MessageError
from spacer_like.exceptions import SpacerError as SpacerError
from spacer_like.exceptions import SpacerInputError as SpacerInputError
from spacer_like.exceptions import TransientError as TransientError
from spacer_like.extractors import EfficientNetExtractor as EfficientNetExtractor
from spacer_like.extractors import EfficientNetLite0Extractor as EfficientNetLite0Extractor
from spacer_like.extractors import EfficientNetLite2Extractor as EfficientNetLite2Extractor
from spacer_like.extractors import ResNet50Extractor as ResNet50Extractor
from spacer_like.extractors import VGG16CaffeExtractor as VGG16CaffeExtractor
from spacer_like.messages import ClassifyFeaturesMsg as ClassifyFeaturesMsg
from spacer_like.messages import ClassifyImageMsg as ClassifyImageMsg
from spacer_like.messages import ExtractFeaturesMsg as ExtractFeaturesMsg
from spacer_like.messages import JobMsg as JobMsg
from spacer_like.messages import JobReturnMsg as JobReturnMsg
from spacer_like.messages import TrainClassifierMsg as TrainClassifierMsg
from spacer_like.tasks import process_job as process_job

__version__: str
