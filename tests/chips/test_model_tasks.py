"""The tasks with models of many labels, on chips whose pixels and labels belong together."""

import json
import sys
from functools import cache
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from spacer_like.chips.messages import LabelChipsMsg, TrainMultilabelMsg
from spacer_like.chips.models.multilabel_model import MULTILABEL_MODEL
from spacer_like.chips.tasks import models
from spacer_like.chips.tasks.models import label_chips, train_multilabel
from spacer_like.cli.chip_rendering import multilabel_training
from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import (
    CollectionError,
    ExtractorMismatchError,
    MessageError,
    MissingExtraError,
    ModelFileError,
    SpacerInputError,
    TableError,
    TileError,
    TrainingLabelsError,
    WeightsError,
)
from spacer_like.extractors import DummyExtractor, EfficientNetLite0Extractor
from spacer_like.extractors.resnet_network import random_resnet
from spacer_like.learning.snapshots import FolderSnapshots
from spacer_like.storage import clear_memory_storage, list_keys, read_bytes, write_bytes
from spacer_like.tables.files import table_bytes
from spacer_like.tables.label_table import LabelTable, read_label_table

LABELS = ("forest", "house", "railway", "water")
CELLS = [f"0311112123{number:02d}" for number in (0, 1, 2, 3, 10, 11)]
MODEL, TABLE, CHIPS = (DataLocation("memory", key) for key in ("model.safetensors", "sparse.parquet", "chips/33"))
SMALL = {"network": "small", "size": 64, "layers": [16], "dropouts": [0.1], "nbr_epochs": 8, "learning_rate": 3e-3}
# A head on features, which takes no time.
HEAD = {"layers": [32], "dropouts": [0.2], "nbr_epochs": 12, "batch_size": 16, "learning_rate": 3e-3}


@pytest.fixture(autouse=True)
def quiet_machine():
    """An empty memory, and one thread: threads that wait for each other would take longer than the work does."""
    clear_memory_storage()
    with override(torch_threads=1):
        yield
    clear_memory_storage()


@cache
def drawn(forest: bool, house: bool, water: bool, seed: int) -> bytes:
    """A chip with what is asked for: rough green on one side, a bright roof, smooth blue on the other side."""
    random = np.random.default_rng(seed)
    pixels = random.normal(120, 6, (64, 64, 3))
    if forest:
        pixels[:, :32] = np.add([40, 90, 40], random.normal(0, 25, (64, 32, 1)))
    if water:
        pixels[:, 40:] = [40, 60, 120]
    if house:
        top = random.integers(2, 40)
        pixels[top : top + 18, 20:44] = [220, 120, 90]
    stream = BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def make_chips(each=14, cells=CELLS) -> list[str]:
    """Chips of several cells, and the table of their labels. There is no railway."""
    random = np.random.default_rng(0)
    names, targets = [], []
    for cell in cells:
        for number in range(each):
            labels = random.random(3) < [0.6, 0.4, 0.3]
            digits = np.base_repr(number, 4).zfill(5)
            names.append(f"Z33-{cell}{digits}_1050410012C31100.jpg")
            write_bytes(DataLocation("memory", f"{CHIPS.key}/{names[-1]}"), drawn(*labels.tolist(), len(names)))
            targets.append([labels[0], labels[1], False, labels[2]])
    write_table(LabelTable(names, LABELS, np.array(targets)))
    return names


def write_table(table: LabelTable) -> None:
    write_bytes(TABLE, table_bytes(table.sparse(), parquet=True))


def message(**fields) -> TrainMultilabelMsg:
    return TrainMultilabelMsg(table_loc=TABLE, chips_loc=CHIPS, model_loc=MODEL, **(SMALL | fields))


def lite0(**fields) -> TrainMultilabelMsg:
    return TrainMultilabelMsg(
        table_loc=TABLE, chips_loc=CHIPS, model_loc=MODEL, extractor=EfficientNetLite0Extractor(), **(HEAD | fields)
    )


class Brightness(DummyExtractor):
    """An extractor that takes no time: mean colours of the parts of a chip."""

    CROP_SIZE = 64

    def __init__(self, parts=4):
        super().__init__(feature_dim=parts * parts * 6)
        self.parts = parts

    def patches_to_features(self, patch_list):
        width = 64 // self.parts
        cut = np.stack(patch_list).reshape(len(patch_list), self.parts, width, self.parts, width, 3) / 255
        return np.concatenate([cut.mean((2, 4)), cut.std((2, 4))], -1).reshape(len(patch_list), -1), False


def quick(**fields) -> TrainMultilabelMsg:
    """Training that takes no time."""
    fields = {"extractor": Brightness(), "size": 64} | HEAD | fields
    return TrainMultilabelMsg(table_loc=TABLE, chips_loc=CHIPS, model_loc=MODEL, **fields)


class TestLearning:
    @pytest.mark.parametrize("make", [message, lite0], ids=["small network", "frozen Lite0"])
    def test_says_of_other_cells_what_is_there_and_not_only_what_is_frequent(self, make):
        make_chips()
        found = train_multilabel(make())
        assert found.figures.sample_f1 > found.majority_sample_f1 + 0.15
        assert (found.n_train_cells + found.n_validation_cells, found.n_train + found.n_validation) == (6, 84)
        assert found.labels == list(LABELS)
        assert found.figures.support["railway"] == 0
        assert found.figures.f1["railway"] == 0
        assert found.thresholds == dict.fromkeys(LABELS, 0.35)
        assert found.figures == found.threshold_figures

    def test_is_of_a_frozen_network_with_weights_of_ones_own(self):
        make_chips()
        stream = BytesIO()
        network = random_resnet("small", torch.Generator().manual_seed(7))
        torch.save(network.state_dict(), stream)
        weights = DataLocation("memory", "weights.pt")
        write_bytes(weights, stream.getvalue())
        found = train_multilabel(message(weights_loc=weights))
        model = MULTILABEL_MODEL.from_bytes(read_bytes(MODEL), "m")
        assert found.figures.sample_f1 > found.majority_sample_f1
        assert all(np.array_equal(model.state[name], network.state_dict()[name]) for name in model.state)
        train_multilabel(
            message(weights_loc=weights, unfreeze_epochs=[7], metrics_loc=DataLocation("memory", "m.json"))
        )
        model = MULTILABEL_MODEL.from_bytes(read_bytes(MODEL), "m")
        learnt = {
            name.split(".")[0]
            for name in model.state
            if not np.array_equal(model.state[name], network.state_dict()[name])
        }
        assert learnt == {"layer4"}
        metrics = json.loads(read_bytes(DataLocation("memory", "m.json")))
        assert [epoch["n_stages"] for epoch in metrics["epochs"]] == [0] * 6 + [1] * 2

    def test_pixels_that_are_too_many_for_memory_lie_in_a_file(self, monkeypatch):
        make_chips(4)
        train_multilabel(message(nbr_epochs=2))
        expected = read_bytes(MODEL)
        made, memmap = [], np.memmap
        monkeypatch.setattr(np, "memmap", lambda *given, **named: made.append(memmap(*given, **named)) or made[0])
        with override(training_memory_bytes=1000, torch_threads=1):
            train_multilabel(message(nbr_epochs=2))
        assert made[0].shape == (24, 64, 64, 3)
        assert read_bytes(MODEL) == expected

    def test_thresholds_of_each_label_are_the_best_on_the_validation_set(self):
        make_chips()
        found = train_multilabel(quick(threshold="per_label", nbr_epochs=1))
        for label in LABELS:
            assert found.figures.f1[label] >= found.threshold_figures.f1[label]
        assert found.thresholds["railway"] == 0.35
        assert len(set(found.thresholds.values())) > 1
        assert MULTILABEL_MODEL.from_bytes(read_bytes(MODEL), "m").thresholds.tolist() == list(
            found.thresholds.values()
        )

    def test_another_fixed_threshold_is_the_one_that_was_asked_for(self):
        make_chips(4)
        found = train_multilabel(quick(threshold=0.6))
        assert set(found.thresholds.values()) == {0.6}
        assert found.figures == found.threshold_figures

    def test_figures_are_told_in_a_file_and_a_picture(self):
        make_chips(4)
        metrics, plot = DataLocation("memory", "metrics.json"), DataLocation("memory", "plot.png")
        found = train_multilabel(quick(metrics_loc=metrics, plot_loc=plot))
        content = json.loads(read_bytes(metrics))
        assert (content["format"], content["format_version"]) == ("spacer_like.multilabel_metrics", 1)
        assert content["figures"] == found.figures.serialize()
        assert len(content["epochs"]) == found.epochs == 12
        assert {"train_loss", "validation_loss", "validation_sample_f1"} <= set(content["epochs"][0])
        with Image.open(BytesIO(read_bytes(plot))) as picture:
            assert picture.width > picture.height > 300

    def test_a_label_that_no_chip_shows_is_told(self):
        make_chips(4)
        answer = train_multilabel(lite0(metrics_loc=DataLocation("memory", "metrics.json")))
        assert answer.unlearned == {"railway": 0}
        assert json.loads(read_bytes(DataLocation("memory", "metrics.json")))["unlearned"] == {"railway": 0}
        rendered = [str(one) for one in multilabel_training(answer, "model.safetensors")]
        assert any("No chip that was learnt from has railway: the model cannot know it." in one for one in rendered)

    def test_the_same_request_gives_the_same_bytes_whatever_the_order_of_the_table(self):
        names = make_chips(4)
        train_multilabel(quick())
        first = read_bytes(MODEL)
        table = pq.read_table(BytesIO(read_bytes(TABLE))).take(
            pa.array(np.random.default_rng(3).permutation(len(names)))
        )
        write_bytes(TABLE, table_bytes(table, parquet=True))
        train_multilabel(quick())
        assert read_bytes(MODEL) == first
        train_multilabel(quick(seed=1))
        assert read_bytes(MODEL) != first


class TestBrokenOff:
    @pytest.mark.parametrize("make", [quick, message], ids=["head", "network"])
    def test_a_training_that_is_killed_goes_on_and_gives_the_same_model(self, make, monkeypatch):
        make_chips(4)
        train_multilabel(make(nbr_epochs=5))
        expected = read_bytes(MODEL)
        folder = DataLocation("memory", "snapshots")
        keep = FolderSnapshots.keep

        def killed(self, fingerprint, epoch, data):
            keep(self, fingerprint, epoch, data)
            if epoch == 3:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(FolderSnapshots, "keep", killed)
            with pytest.raises(KeyboardInterrupt):
                train_multilabel(make(nbr_epochs=5, snapshots_loc=folder))
        assert len(list(list_keys(folder))) == 1
        found = train_multilabel(make(nbr_epochs=5, snapshots_loc=folder))
        assert (found.resumed_from, found.epochs) == (3, 5)
        assert read_bytes(MODEL) == expected

    def test_snapshots_of_other_trainings_in_the_folder_stay(self, tmp_path):
        make_chips(4)
        folder = DataLocation("filesystem", str(tmp_path / "snapshots"))
        for seed in (0, 1):
            assert train_multilabel(quick(seed=seed, snapshots_loc=folder)).resumed_from == 0
        assert len(list(list_keys(folder))) == 2
        assert train_multilabel(quick(snapshots_loc=folder)).resumed_from == 12


class TestChipsThatAreNot:
    def test_those_that_are_missing_or_no_images_are_named_and_the_others_learnt_from(self):
        names = make_chips(4)
        others = [f"Z33-{CELLS[0]}33333_1050410012C31100.jpg", f"Z33-{CELLS[1]}33332_1050410012C31100.jpg"]
        write_table(LabelTable([*names, *others], LABELS, np.ones((26, 4), bool)))
        write_bytes(DataLocation("memory", f"{CHIPS.key}/{others[1]}"), b"no image")
        write_bytes(DataLocation("memory", f"{CHIPS.key}/{names[0]}"), drawn(True, True, True, 0)[:-400])
        found = train_multilabel(quick())
        assert found.missing == others[:1]
        assert [chip.name for chip in found.unreadable] == sorted([names[0], others[1]])
        assert found.n_train + found.n_validation == 23

    def test_a_table_of_other_chips_is_refused(self):
        names = make_chips(4)
        write_table(LabelTable([name.replace("Z33", "Z34") for name in names], LABELS, np.ones((24, 4), bool)))
        with pytest.raises(
            CollectionError, match=r"None of the table's chips, such as 'Z34-.*', is in 'memory://chips"
        ):
            train_multilabel(quick())

    def test_chips_of_which_none_can_be_decoded_are_refused(self):
        for name in make_chips(4):
            write_bytes(DataLocation("memory", f"{CHIPS.key}/{name}"), b"no image")
        with pytest.raises(
            CollectionError, match="None of the 24 chips of 'memory://chips/33' can be decoded, the first"
        ):
            train_multilabel(quick())

    def test_chips_of_one_cell_are_refused_before_anything_is_decoded(self, monkeypatch):
        make_chips(4, CELLS[:1])
        monkeypatch.setattr(models, "gathered_chips", None)
        with pytest.raises(TrainingLabelsError, match=r"at least two cells of zoom 12 .* all lie in Z33-031111212300"):
            train_multilabel(quick())

    def test_layers_without_a_dropout_have_none(self):
        make_chips(2)
        train_multilabel(quick(layers=[8, 4], dropouts=[0.2]))
        first = read_bytes(MODEL)
        train_multilabel(quick(layers=[8, 4], dropouts=[0.2, 0.0]))
        assert read_bytes(MODEL) == first

    def test_two_cells_are_enough(self):
        make_chips(4, CELLS[:2])
        found = train_multilabel(quick(nbr_epochs=2))
        assert (found.n_train_cells, found.n_validation_cells) == (1, 1)

    def test_a_single_chip_to_learn_from_is_too_little(self):
        make_chips(1, CELLS[:2])
        with pytest.raises(TrainingLabelsError, match="at least two chips to learn from"):
            train_multilabel(quick())

    def test_chips_without_any_label_are_refused(self):
        names = make_chips(4)
        write_table(LabelTable(names, LABELS, np.zeros((24, 4), bool)))
        with pytest.raises(TrainingLabelsError, match="No chip of the table has any label"):
            train_multilabel(quick())

    @pytest.mark.parametrize(
        ("name", "stay_together"),
        [("M14-{}-4742_a.jpg", 8), ("P{}-0_scene.jpg", 1024)],
        ids=["Web Mercator", "windows of pixels"],
    )
    def test_chips_of_any_raster_are_split_by_their_neighbourhood(self, name, stay_together):
        names = make_chips()
        data = read_bytes(TABLE)
        step = stay_together // 4
        called = [name.format(step * number) for number in range(len(names))]
        table = read_label_table(data, "table", parquet=True)
        for old, new in zip(names, called, strict=True):
            write_bytes(CHIPS.below(new), read_bytes(CHIPS.below(old)))
        write_table(LabelTable(called, LABELS, table.targets))
        found = train_multilabel(quick())
        assert found.n_train + found.n_validation == len(names)
        assert found.n_train_cells + found.n_validation_cells == len(names) // 4

    def test_events_and_the_version_of_the_data_are_recorded(self):
        make_chips()
        runs = DataLocation("memory", "runs/first")
        found = train_multilabel(quick(events_loc=runs, optimizer="sgd", learning_rate=0.05))
        (events,) = list_keys(runs.below(""))
        assert b"validation/sample_f1" in read_bytes(events)
        model = MULTILABEL_MODEL.from_bytes(read_bytes(MODEL), "model")
        assert model.dataset == found.dataset
        assert len(found.dataset) == 40
        make_chips(each=13)
        assert train_multilabel(quick()).dataset != found.dataset

    def test_names_that_tell_no_place_are_refused(self):
        make_chips(4)
        write_bytes(DataLocation("memory", f"{CHIPS.key}/reef.jpg"), drawn(True, True, True, 0))
        write_table(LabelTable(["reef.jpg"], LABELS, np.ones((1, 4), bool)))
        with pytest.raises(TileError, match=r"'reef\.jpg' is no name of a chip"):
            train_multilabel(quick())


class TestRequestsThatCannotBeMet:
    @pytest.mark.parametrize(
        ("fields", "error", "why"),
        [
            ({"dropouts": [0.1, 0.2]}, MessageError, "there are 2 dropouts and 1 of layers: leave some out"),
            ({"size": 96}, MessageError, "takes squares of 64 pixels"),
            (
                {"weights_loc": TABLE},
                MessageError,
                "give one of extractor and weights_loc",
            ),
            ({"momentum": 0.5}, MessageError, "momentum is of the optimizer sgd, and adamw has none: leave it out"),
            (
                {"optimizer": "adam", "momentum": 0.9},
                MessageError,
                "momentum is of the optimizer sgd, and adam has none",
            ),
            ({"optimizer": "sgd", "momentum": 1.0}, MessageError, "momentum"),
            ({"network": "small"}, MessageError, "network is trained where there is no extractor: give one of them"),
            ({"snapshot_epochs": 2}, MessageError, "snapshot_epochs are of snapshots: give snapshots_loc, too"),
            ({"unfreeze_epochs": [2]}, MessageError, "unfreeze_epochs are of a network that starts from weights"),
            ({"plot_loc": DataLocation("memory", "plot.txt")}, SpacerInputError, "must end in one of png"),
            ({"table_loc": DataLocation("memory", "table.xlsx")}, TableError, r"must end with \.csv or \.parquet"),
            ({"extractor": DummyExtractor(), "size": 224}, MessageError, "does not look at images"),
        ],
    )
    def test_are_refused_in_a_sentence(self, fields, error, why):
        make_chips(4)
        given = {"table_loc": TABLE, "chips_loc": CHIPS, "model_loc": MODEL, "extractor": Brightness(), "size": 64}
        with pytest.raises(error, match=why):
            train_multilabel(TrainMultilabelMsg(**(given | HEAD | fields)))

    def test_weights_of_another_network_are_named(self):
        make_chips(4)
        stream = BytesIO()
        torch.save({"net": {"conv1.weight": torch.zeros(3)}}, stream)
        write_bytes(DataLocation("memory", "weights.pt"), stream.getvalue())
        with pytest.raises(WeightsError, match=r"memory://weights\.pt: .* weights of another network than ResNet"):
            train_multilabel(message(weights_loc=DataLocation("memory", "weights.pt")))

    @pytest.mark.parametrize(("package", "extra"), [("torch", "torch"), ("matplotlib", "plots")])
    def test_packages_that_are_not_installed_are_named_before_the_work(self, package, extra, monkeypatch):
        make_chips(4)
        if package == "matplotlib":
            for module in [name for name in sys.modules if name.startswith("matplotlib")]:
                monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError, match=rf"spacer_like\[{extra}\]"):
            train_multilabel(quick(plot_loc=DataLocation("memory", "plot.png")))


class TestLabellingChips:
    def request(self, **fields) -> LabelChipsMsg:
        tables = [DataLocation("memory", "probable.parquet"), DataLocation("memory", "probable.csv")]
        given = [DataLocation("memory", "given.parquet")]
        return LabelChipsMsg(chips_loc=CHIPS, model_loc=MODEL, table_locs=tables, given_locs=given, **fields)

    @pytest.mark.parametrize(
        ("make", "extractor"), [(quick, Brightness()), (message, None)], ids=["extractor", "network"]
    )
    def test_gives_a_row_for_every_chip_and_the_labels_above_their_thresholds(self, make, extractor):
        names = make_chips(4)
        write_bytes(DataLocation("memory", f"{CHIPS.key}/Z33-{CELLS[0]}33333_x.jpg"), b"no image")
        training = train_multilabel(make(nbr_epochs=3, threshold="per_label"))
        found = label_chips(self.request(extractor=extractor))
        probable = pq.read_table(BytesIO(read_bytes(DataLocation("memory", "probable.parquet"))))
        given = pq.read_table(BytesIO(read_bytes(DataLocation("memory", "given.parquet"))))
        assert probable.column_names == given.column_names == ["Feature", *LABELS]
        assert probable["Feature"].to_pylist() == given["Feature"].to_pylist() == sorted(names)
        assert [chip.name for chip in found.unreadable] == [f"Z33-{CELLS[0]}33333_x.jpg"]
        for label in LABELS:
            probabilities = probable[label].to_numpy()
            assert ((probabilities >= 0) & (probabilities <= 1)).all()
            assert (given[label].to_numpy() == (probabilities > training.thresholds[label])).all()
            assert found.counts[label] == given[label].to_numpy().sum()
        lines = read_bytes(DataLocation("memory", "probable.csv")).decode().splitlines()
        assert lines[0] == "Feature,forest,house,railway,water"
        assert len(lines) == found.n_chips + 1 == 25

    def test_with_another_extractor_is_refused(self):
        make_chips(4)
        train_multilabel(quick(nbr_epochs=1))
        for extractor, why in ((Brightness(2), "and the message's is"), (None, "name that one")):
            with pytest.raises(ExtractorMismatchError, match=rf"memory://model\.safetensors: .* {why}"):
                label_chips(self.request(extractor=extractor))
        train_multilabel(message(nbr_epochs=1))
        with pytest.raises(ExtractorMismatchError, match="has a network of its own"):
            label_chips(self.request(extractor=Brightness()))

    def test_with_no_model_or_no_chips_is_refused(self):
        names = make_chips(4)
        train_multilabel(quick(nbr_epochs=1))
        for name in names:
            write_bytes(DataLocation("memory", f"{CHIPS.key}/{name}"), b"no image")
        with pytest.raises(CollectionError, match=r"None of the chips of .* can be decoded, the first because"):
            label_chips(self.request(extractor=Brightness()))
        write_bytes(MODEL, b"no model")
        with pytest.raises(
            ModelFileError, match=r"memory://model\.safetensors: the file holds no model of many labels"
        ):
            label_chips(self.request())
