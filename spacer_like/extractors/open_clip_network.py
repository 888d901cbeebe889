"""Image encoders that open_clip builds, and what it knows of them."""

from __future__ import annotations

from functools import cache
from typing import IO, Any, NamedTuple, cast

import torch
from torch import nn

from spacer_like.exceptions import MessageError, damage_as, nearest
from spacer_like.extractors.library_extractor import NetworkFacts
from spacer_like.extractors.preprocessing import RESAMPLING, Preprocessing
from spacer_like.extractors.timm_network import Features
from spacer_like.extractors.torch_weights import fit, read_published_weights
from spacer_like.extras import import_extra, import_torchvision

# Of the configuration of published weights, what counts for images.
_TOLD = ("mean", "std", "interpolation", "resize_mode", "quick_gelu")
_TAGS_SHOWN = 6
OWN = "own"
"""Instead of a tag: weights that are not published."""
_QUICK = "-quickgelu"
_OF_IMAGES = "visual."
# Texts are not encoded: their network would only take memory, and some would be asked for over the network.
_NO_TEXT = {"context_length": 1, "vocab_size": 2, "width": 8, "heads": 1, "layers": 1}


class _Variant(NamedTuple):
    """A model's configuration, that of its weights, and whether its activation is QuickGELU."""

    model: dict[str, Any]
    weights: dict[str, Any]
    is_quick: bool


@cache
def open_clip_facts(model: str, pretrained: str | None) -> NetworkFacts:
    """What open_clip knows of an image encoder; see `LibraryExtractor.facts`, `OpenClipExtractor` for the arguments."""
    variant = _variant(model, pretrained)
    size = variant.model["vision_cfg"].get("image_size", 224)
    with torch.device("meta"):
        network = _untrained(model, variant)
    facts = Features(network).dimension(size), _preprocessing(model, size, variant.weights)
    return NetworkFacts(*facts, ("quick_gelu" if variant.is_quick else "gelu", pretrained))


def open_clip_network(model: str, pretrained: str | None, weights: IO[bytes]) -> Features:
    """The image encoder with weights of a whole model, whose other ones are not looked at.

    Raises:
        WeightsError: the file holds no weights, or those of another model.
    """
    with torch.random.fork_rng(devices=[]):
        network = _untrained(model, _variant(model, pretrained))
    state = read_published_weights(weights, "weights")
    own = {key.removeprefix(_OF_IMAGES): value for key, value in state.items() if key.startswith(_OF_IMAGES)}
    return Features(fit(network, {key: value.float() for key, value in own.items()}, "weights"))


def _open_clip() -> Any:
    import_torchvision()
    return import_extra("open_clip", "OpenClipExtractor", "encoders")


def _variant(model: str, pretrained: str | None) -> _Variant:
    open_clip = _open_clip()
    names = open_clip.list_models()
    if model not in names:
        raise MessageError(f"open_clip has no model '{model[:100]}'.{nearest(model, names)}")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained not in (None, OWN, *tags):
        raise MessageError(
            f"open_clip knows no weights '{str(pretrained)[:100]}' of {model}: name one of {_some([*tags, OWN])}."
            f"{nearest(str(pretrained), tags)}"
        )
    config = open_clip.get_model_config(model)
    if "multimodal_cfg" in config:
        raise MessageError(f"The model {model} writes texts: its vectors of images are not offered.")
    published = [open_clip.get_pretrained_cfg(model, tag) for tag in tags]
    kinds = [{key: one[key] for key in _TOLD if key in one} for one in published]
    is_one_kind = all(kind == kinds[0] for kind in kinds)
    if pretrained is None and (model + _QUICK in names or not is_one_kind):
        raise MessageError(
            f"Weights of {model} are of several kinds, and look alike: name as pretrained the tag that they were "
            f"published under, {_some(tags)}, or '{OWN}' for those with the activation GELU and CLIP's preprocessing."
        )
    common = kinds[0] if kinds and is_one_kind else {}
    weights = kinds[tags.index(pretrained)] if pretrained in tags else common
    is_quick = config.get("quick_gelu", False) or (pretrained != OWN and weights.get("quick_gelu", False))
    return _Variant(config, weights, bool(is_quick or pretrained == "openai"))


def _some(tags: list[str]) -> str:
    more = f" and {len(tags) - _TAGS_SHOWN} more" if len(tags) > _TAGS_SHOWN else ""
    return ", ".join(tags[:_TAGS_SHOWN]) + more


def _preprocessing(model: str, size: int, weights: dict[str, Any]) -> Preprocessing:
    """CLIP's, unless the configuration of the weights says another."""
    clip = Preprocessing.clip(size)
    mode, resample = weights.get("resize_mode", "shortest"), weights.get("interpolation", clip.resample)
    if mode not in ("shortest", "squash") or resample not in RESAMPLING:
        raise MessageError(f"The images of open_clip's {model} are made by {resample} and {mode}, which is not here.")
    mean, std = (tuple(weights.get(name) or default) for name, default in (("mean", clip.mean), ("std", clip.std)))
    return Preprocessing(size, size if mode == "shortest" else None, resample, mean, std)


def _untrained(model: str, variant: _Variant) -> nn.Module:
    vision = dict(variant.model["vision_cfg"])
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    with damage_as(MessageError, model, f"open_clip does not build {model}"):
        whole = _open_clip().CLIP(
            embed_dim=variant.model["embed_dim"], vision_cfg=vision, text_cfg=_NO_TEXT, quick_gelu=variant.is_quick
        )
    return cast(nn.Module, whole.visual)
