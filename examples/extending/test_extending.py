"""What is added passes the suites of the package: ``pytest examples/extending``."""

import pytest

from spacer_like.testing.engine import EngineContract
from spacer_like.testing.extractor import ExtractorContract
from spacer_like.testing.storage import StorageContract
from spacer_like.testing.trainer import TrainerContract

from .forest_trainer import ForestTrainer
from .gradient_extractor import GradientExtractor
from .sqlite_storage import SqliteStorage
from .thread_engine import Threads


class TestSqliteStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        return SqliteStorage(str(tmp_path / "values.sqlite"))


class TestThreads(EngineContract):
    apart = False

    @classmethod
    def make_engine(cls):
        return Threads(2)


class TestGradientExtractor(ExtractorContract):
    @pytest.fixture
    def extractor(self):
        return GradientExtractor()


class TestForestTrainer(TrainerContract):
    @pytest.fixture
    def trainer(self):
        return ForestTrainer()
