"""Networks that timm builds, and what it knows of them."""

from __future__ import annotations

import sys
from functools import cache
from typing import IO, Any, cast

import torch
from torch import Tensor, nn

from spacer_like.exceptions import MessageError, damage_as, nearest
from spacer_like.extractors.library_extractor import NetworkFacts
from spacer_like.extractors.preprocessing import RESAMPLING, Preprocessing, Triple
from spacer_like.extractors.resnet_network import BATCH_COUNT
from spacer_like.extractors.torch_weights import fit, read_published_weights
from spacer_like.extras import import_extra, import_torchvision


class Features(nn.Module):
    """A network whose output is the feature vectors."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def extract_features(self, inputs: Tensor) -> Tensor:
        """Feature vectors, float32 [n, dimension], of float32 [n, 3, size, size]."""
        return cast(Tensor, self.network(inputs))

    def dimension(self, size: int) -> int:
        """The length of a vector; nothing is computed if the network is one of shapes alone."""
        place = next(self.parameters()).device
        with torch.inference_mode():
            return self.eval().extract_features(torch.zeros(1, 3, size, size, device=place)).shape[1]


@cache
def timm_facts(
    model: str, size: int | None, mean: Triple | None, std: Triple | None, pooling: str | None
) -> NetworkFacts:
    """What timm knows of a network; see `LibraryExtractor.facts`, and `TimmExtractor` for the arguments."""
    config = _configuration(model)
    side = size or config.input_size[1]
    preprocessing = Preprocessing(
        side,
        shortest_side=_shortest_side(model, side, config),
        resample=config.interpolation,
        mean=mean or tuple(config.mean),
        std=std or tuple(config.std),
    )
    with torch.device("meta"):
        network = _untrained(model, size, pooling)
    return NetworkFacts(Features(network).dimension(side), preprocessing, (pooling,))


def timm_network(model: str, size: int | None, pooling: str | None, weights: IO[bytes]) -> Features:
    """The network without its last layer, with weights that it was published with, or in the form of those.

    Raises:
        WeightsError: the file holds no weights, or those of another network.
    """
    with torch.random.fork_rng(devices=[]):
        network = _untrained(model, size, pooling)
    state = read_published_weights(weights, "weights")
    # Weights of another size or of the network's first publication are converted by timm itself.
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is not None:
        state = convert(state, network)
    heads = _configuration(model).classifier or ()
    prefixes = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
    wanted = network.state_dict()
    own = {key: value for key, value in state.items() if key in wanted or not key.startswith(prefixes)}
    counts = {key: torch.tensor(0) for key in wanted if key.endswith(BATCH_COUNT)}
    return Features(fit(network, counts | own, "weights"))


def _timm() -> Any:
    # Without this, timm's own import of torchvision may fail beside a CPU build of torch.
    import_torchvision()
    return import_extra("timm", "TimmExtractor", "encoders")


def _configuration(model: str) -> Any:
    timm = _timm()
    if not timm.is_model(model):
        names = timm.list_models()
        raise MessageError(f"timm has no network '{model[:100]}'.{nearest(model, names)}")
    try:
        return timm.get_pretrained_cfg(model)
    except (RuntimeError, ValueError, KeyError):
        tags = [name.partition(".")[2] for name in timm.list_pretrained(model.partition(".")[0] + ".*")]
        raise MessageError(
            f"timm knows no weights '{model[:100]}': name the network alone, or with one of {', '.join(tags)}."
        ) from None


def _shortest_side(model: str, size: int, config: Any) -> int | None:
    """Of whole images, as timm's own transform for evaluation resizes them; None: they are stretched."""
    if config.interpolation in RESAMPLING:
        if config.crop_mode == "center":
            return int(size / config.crop_pct)
        if config.crop_mode == "squash" and config.crop_pct == 1:
            return None
    raise MessageError(
        f"The images of timm's {model} are made by {config.interpolation} and {config.crop_mode}, which is not here."
    )


def _untrained(model: str, size: int | None, pooling: str | None) -> nn.Module:
    timm = _timm()
    given: dict[str, Any] = {} if pooling is None else {"global_pool": pooling}
    if size is not None and _configuration(model).fixed_input_size:
        given["img_size"] = size
    with damage_as(MessageError, model, f"timm does not build {model} with size {size} and pooling {pooling}"):
        return cast(nn.Module, timm.create_model(model, pretrained=False, num_classes=0, **given))
