"""Names and seams of PySpacer 0.14 that its callers use, each where they look for it."""

import io
import re
from importlib import import_module

import efficientnet_pytorch.utils as reference
import numpy as np
import pytest
import torch

from spacer_like import aws, config, exceptions, storage
from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.exceptions import ConfigError, FeatureFileError, MessageError, ModelFileError, RowColumnMissingError
from spacer_like.extractors import VGG16CaffeExtractor, efficientnet_utils
from spacer_like.extractors.efficientnet import EfficientNet, EfficientNetExtractor
from spacer_like.extractors.torch_extractors import transformation
from spacer_like.extractors.utils import crop_patches, crop_simple
from spacer_like.extractors.vgg16 import Transformer
from spacer_like.mailman import class_in_answers
from spacer_like.messages import ClassifyFeaturesMsg, JobMsg
from spacer_like.registry import register
from spacer_like.tasks import process_job
from spacer_like.train_classifier import ClassifierTrainer, MiniBatchTrainer, trainer_factory

NAMES = {
    "aws": "THREAD_LOCAL create_aws_session create_aws_resource get_s3_resource aws_check",
    "config": "CONFIGURABLE_VARS HAS_CAFFE LOCAL_FIXTURE_DIR MAX_IMAGE_PIXELS TASKS check filter_warnings "
    "get_config_value log_entry_and_exit",
    "data_classes": "Annotation DataClass DataLocation FeatureLabelBatch FeatureLabelPair ImageFeatures ImageLabels "
    "LabelId PointFeatures ValResults",
    "exceptions": "ConfigError DataLimitError HashMismatchError RowColumnInvalidError RowColumnMismatchError "
    "RowColumnMissingError TrainingLabelsError URLDownloadError",
    "extractors": "DummyExtractor EfficientNetExtractor FeatureExtractor VGG16CaffeExtractor",
    "extractors.base": "DummyExtractor FeatureExtractor",
    "extractors.efficientnet": "EfficientNet EfficientNetExtractor",
    "extractors.efficientnet_utils": "BlockArgs Conv2dDynamicSamePadding Conv2dStaticSamePadding GlobalParams Identity "
    "drop_connect efficientnet efficientnet_params get_model_params get_same_padding_conv2d relu_fn round_filters "
    "round_repeats",
    "extractors.torch_extractors": "TorchExtractor transformation",
    "extractors.utils": "crop_patches crop_simple",
    "extractors.vgg16": "Transformer VGG16CaffeExtractor",
    "mailman": "env_job",
    "messages": "ClassifyFeaturesMsg ClassifyImageMsg ClassifyReturnMsg ExtractFeaturesMsg ExtractFeaturesReturnMsg "
    "JobMsg JobReturnMsg TrainClassifierMsg TrainClassifierReturnMsg TrainingTaskLabels",
    "storage": "ClassifierUnpickler FileSystemStorage MemoryStorage RemoteStorage S3Storage Storage URLStorage "
    "clear_memory_storage load_classifier load_image storage_factory store_classifier store_image",
    "task_utils": "SplitMode check_extract_inputs preprocess_labels split_labels",
    "tasks": "classify_features classify_image extract_features process_job train_classifier",
    "train_classifier": "ClassifierTrainer MiniBatchTrainer trainer_factory",
    "train_utils": "calc_acc evaluate_classifier make_random_data",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_name_is_where_callers_import_it_from(module):
    found = import_module(f"spacer_like.{module}")
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_the_storages_of_files_are_one_class():
    assert isinstance(storage.storage_factory("filesystem"), storage.FileSystemStorage)
    assert import_module("spacer_like.extractors.vgg16").VGG16CaffeExtractor is VGG16CaffeExtractor


class TestFeatures:
    """CoralNet's tests make invalid feature files by setting attributes, and by moving points."""

    LOCATION = DataLocation("memory", "some.features")

    @pytest.fixture
    def features(self):
        return ImageFeatures.from_arrays([(1, 2), (3, 4)], np.arange(6, dtype=np.float32).reshape(2, 3))

    def stored(self, features):
        features.store(self.LOCATION)
        return ImageFeatures.load(self.LOCATION)

    def test_a_moved_point_is_stored_where_it_was_moved_to(self, features):
        features.point_features[0].row = 70_000
        features.point_features[1].col += 5
        assert self.stored(features).rowcols == [(70_000, 2), (3, 9)]
        assert features != ImageFeatures.from_arrays([(1, 2), (3, 4)], features.features)
        assert features == self.stored(features)

    def test_a_vector_is_stored_as_it_was_changed(self, features):
        features.point_features[0].data[1] = 7.5
        features.point_features[1].data = [1, 2, 3]
        assert self.stored(features).features.tolist() == [[0, 7.5, 2], [1, 2, 3]]

    def test_looking_at_the_points_changes_nothing(self, features):
        before = features.to_bytes()
        assert len(features.point_features) == 2
        assert features.to_bytes() == before

    @pytest.mark.parametrize("layout", ["float32", "pyspacer"])
    def test_features_that_are_made_legacy_are_stored_so(self, features, layout):
        with config.override(feature_file_format=layout):
            features.valid_rowcol = False
            back = self.stored(features)
        assert (back.valid_rowcol, back.npoints, back.feature_dim) == (False, 2, 3)
        assert back.point_features[0].row is None
        with pytest.raises(RowColumnMissingError):
            features[1, 2]

    @pytest.mark.parametrize(("name", "value"), [("feature_dim", 5), ("npoints", 3)])
    def test_a_number_that_is_set_is_stored_and_refused_when_it_is_read(self, features, name, value):
        setattr(features, name, value)
        assert getattr(features, name) == value
        assert features != ImageFeatures.from_arrays([(1, 2), (3, 4)], features.features)
        with pytest.raises(AssertionError, match=r"some\.features: the numbers in meta do not agree"):
            self.stored(features)

    def test_positions_that_legacy_features_do_not_have_cannot_be_claimed(self):
        features = ImageFeatures.from_arrays(None, np.zeros((2, 3)))
        features.valid_rowcol = True
        with pytest.raises(FeatureFileError, match="one row and one column for each vector"):
            self.stored(features)

    @pytest.mark.parametrize(("name", "value"), [("row", -1), ("row", "a"), ("data", [1]), ("data", "ab")])
    def test_a_point_changed_to_what_no_file_can_hold_is_refused(self, features, name, value):
        setattr(features.point_features[0], name, value)
        with pytest.raises(FeatureFileError, match=r"position|point_features were changed"):
            self.stored(features)

    def test_a_point_taken_away_leaves_a_file_that_is_refused_until_npoints_says_so(self, features):
        del features.point_features[0]
        with pytest.raises(FeatureFileError, match="meta do not agree"):
            self.stored(features)
        features.npoints = 1
        assert self.stored(features).rowcols == [(3, 4)]


def test_a_deleted_s3_resource_is_made_again_and_one_that_was_put_there_stays(moto):
    with moto.settings():
        first = aws.get_s3_resource()
        del aws.THREAD_LOCAL.s3_resource
        assert aws.get_s3_resource() is not first
        own = object()
        aws.THREAD_LOCAL.s3_resource = own
        assert aws.get_s3_resource() is own
        del aws.THREAD_LOCAL.s3_resource


@register
class OwnTrainer(ClassifierTrainer):
    def __init__(self, strength=1):
        self.strength = strength


@pytest.mark.parametrize(
    ("path", "builtin"),
    [
        ("no_such_package.trainers.Trainer", ImportError),
        ("spacer.no_such_module.Trainer", ImportError),
        ("spacer.train_classifier.NoSuchTrainer", AttributeError),
        ("spacer_like.extractors.DummyExtractor", TypeError),
        ("collections.OrderedDict", TypeError),
        ("NoModule", ValueError),
    ],
)
def test_the_trainer_factory_raises_what_callers_catch(path, builtin):
    with pytest.raises(builtin, match=re.escape(f"'{path}' is ")) as caught:
        trainer_factory(path)
    assert isinstance(caught.value, MessageError)


def test_arguments_that_a_trainer_does_not_take_are_a_type_error_too():
    with pytest.raises(TypeError, match="OwnTrainer does not accept the argument 'colour'"):
        ClassifierTrainer.deserialize({"class_path": f"{OwnTrainer.__module__}.OwnTrainer", "colour": 1})


def test_the_trainer_factory_makes_the_trainers_that_there_are():
    assert trainer_factory("minibatch") == trainer_factory("spacer.train_classifier.MiniBatchTrainer")
    assert isinstance(trainer_factory("minibatch"), MiniBatchTrainer)


def test_a_classifier_is_read_from_an_open_file_and_nothing_else_is():
    file = io.BytesIO(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ModelFileError, match=r"The pickle names os\.system"):
        storage.ClassifierUnpickler(file, fix_imports=True, encoding="latin1").load()


class TestCrops:
    def test_a_crop_of_a_padded_image_is_the_crop_around_the_point(self):
        image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
        padded = np.pad(image, ((10, 10), (10, 10), (0, 0)), mode="reflect")
        for row, col in ((0, 0), (20, 30), (39, 49)):
            [patch] = crop_patches(image, [(row, col)], 10)
            np.testing.assert_array_equal(crop_simple(padded, (row + 10, col + 10), 10), patch)

    def test_the_transformation_divides_bytes_and_puts_channels_first(self):
        image = np.array([[[0, 51, 255], [1, 2, 3]]], np.uint8)
        found = transformation()(image)
        assert (found.shape, found.dtype) == ((3, 1, 2), torch.float32)
        torch.testing.assert_close(found[:, 0, 0], torch.tensor([0, 0.2, 1]))
        assert transformation()(image[:, :, 0]).shape == (1, 1, 2)
        assert transformation()(image.astype(np.float64))[2, 0, 0] == 255

    def test_vgg16s_transformer_puts_blue_first_and_back(self):
        image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
        transformer = Transformer((104, 117, 123))
        found = transformer.preprocess(image)
        assert found.shape == (3, 4, 5)
        np.testing.assert_array_equal(found[0], image[:, :, 2].astype(np.float32) - 104)
        np.testing.assert_array_equal(transformer.deprocess(found), image)


class TestEfficientNetUtils:
    """Against the package that PySpacer's module was taken from."""

    @pytest.mark.parametrize("number", range(8))
    def test_the_numbers_of_the_networks(self, number):
        name = f"efficientnet-b{number}"
        assert efficientnet_utils.efficientnet_params(name) == reference.efficientnet_params(name)
        stages, scaling = efficientnet_utils.get_model_params(name, {"num_classes": 7})
        other_stages, other_scaling = reference.get_model_params(name, {"num_classes": 7})
        assert (scaling.num_classes, scaling.image_size) == (7, other_scaling.image_size)
        for stage, other in zip(stages, other_stages, strict=True):
            assert (stage.kernel_size, stage.num_repeat, stage.expand_ratio, stage.stride, stage.se_ratio) == (
                other.kernel_size, other.num_repeat, other.expand_ratio, other.stride, other.se_ratio
            )  # fmt: skip
            assert efficientnet_utils.round_filters(stage.output_filters, scaling) == reference.round_filters(
                other.output_filters, other_scaling
            )
            assert efficientnet_utils.round_repeats(stage.num_repeat, scaling) == reference.round_repeats(
                other.num_repeat, other_scaling
            )

    @pytest.mark.parametrize("image_size", [None, 9])
    @pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 2, 1), (3, 1, 2)])
    def test_padded_convolutions(self, image_size, kernel, stride, dilation):
        torch.manual_seed(0)
        options = {"stride": stride, "dilation": dilation}
        own = efficientnet_utils.get_same_padding_conv2d(image_size)(2, 3, kernel, **options)
        other = reference.get_same_padding_conv2d(image_size)(2, 3, kernel, **options)
        other.load_state_dict(own.state_dict())
        inputs = torch.rand(1, 2, 9, 9)
        torch.testing.assert_close(own(inputs), other(inputs))

    def test_connections_are_dropped_image_by_image_and_only_while_training(self):
        torch.manual_seed(0)
        inputs = torch.ones(200, 1, 2, 2)
        dropped = efficientnet_utils.drop_connect(inputs, 0.5, True)
        assert set(dropped.unique().tolist()) == {0, 2}
        assert 60 < (dropped[:, 0, 0, 0] == 0).sum() < 140
        assert efficientnet_utils.drop_connect(inputs, 0.5, False) is inputs

    def test_what_there_is_not_is_named(self):
        with pytest.raises(ConfigError, match="There is no network 'efficientnet-b9'"):
            efficientnet_utils.get_model_params("efficientnet-b9", None)
        with pytest.raises(MessageError, match="A network has no 'colour'"):
            efficientnet_utils.get_model_params("efficientnet-b0", {"colour": 1})
        with pytest.raises(ConfigError, match="only num_classes can be replaced, not 'dropout_rate'"):
            EfficientNet.from_name("efficientnet-b0", {"dropout_rate": 0.5})


def test_the_network_is_made_by_its_name():
    network = EfficientNet.from_name("efficientnet-b0", {"num_classes": EfficientNetExtractor.NUM_CLASSES})
    expected = EfficientNetExtractor.untrained_model().state_dict()
    assert {name: value.shape for name, value in network.state_dict().items()} == {
        name: value.shape for name, value in expected.items()
    }
    assert EfficientNet.get_image_size("efficientnet-b4") == 380


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (exceptions.RowColumnMismatchError("a"), "spacer.exceptions.RowColumnMismatchError"),
        (exceptions.DataNotFoundError("a"), "spacer.exceptions.SpacerInputError"),
        (exceptions.ImageError("a"), "PIL.UnidentifiedImageError"),
        (exceptions.URLDownloadError("a", ValueError("b")), "spacer.exceptions.URLDownloadError"),
        (exceptions.TransientError("a"), "spacer_like.exceptions.TransientError"),
        (KeyError("a"), "builtins.KeyError"),
    ],
)
def test_answers_may_name_the_classes_of_errors_as_pyspacer_does(error, name):
    assert class_in_answers(error) == exceptions.class_of(error)
    with config.override(error_names="pyspacer"):
        assert class_in_answers(error) == name


def test_the_last_line_of_an_error_begins_with_the_name_that_callers_compare():
    job = JobMsg(
        "classify_features", [ClassifyFeaturesMsg("1", DataLocation("memory", "no"), DataLocation("memory", "no"))]
    )
    with config.override(error_names="pyspacer"):
        answer = process_job(job)
    assert answer.error_message.splitlines()[-1].partition(":")[0] == "spacer.exceptions.SpacerInputError"
