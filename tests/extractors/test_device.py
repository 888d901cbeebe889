"""The GPU is used where there is one and the setting allows it."""

from __future__ import annotations

import pytest

from spacer_like.config import override
from spacer_like.exceptions import ConfigError
from spacer_like.extractors import network_extractor


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    network_extractor._is_cuda_available.cache_clear()
    yield
    network_extractor._is_cuda_available.cache_clear()


def test_without_a_gpu_auto_is_the_cpu(no_gpu):
    with override(device="auto"):
        assert network_extractor.chosen_device() == "cpu"


def test_a_gpu_that_is_asked_for_must_be_there(no_gpu):
    with override(device="cuda"), pytest.raises(ConfigError, match="no GPU can be used"):
        network_extractor.chosen_device()


def test_cpu_is_the_cpu_wherever_one_is():
    with override(device="cpu"):
        assert network_extractor.chosen_device() == "cpu"


def test_other_devices_are_refused():
    with override(device="abacus"), pytest.raises(ConfigError, match="DEVICE must be 'auto', 'cpu' or 'cuda'"):
        network_extractor.chosen_device()
