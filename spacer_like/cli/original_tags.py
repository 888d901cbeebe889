"""Arguments of image-tagging-tools, as ``spacer-like tags`` takes them: options with underscores, and other names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from spacer_like.cli.options import UsageError

_FOLDER = "./output"
_GROUP = "tags"
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")
_DEVICES = ("cpu", "cuda", "none")

Words = list[str]


def _named(*options: str) -> Callable[[str], Words]:
    """The same value for other options, in which ``{}`` stands for it."""
    return lambda value: [option.format(value) for option in options]


def _tagged(value: str) -> Words:
    if value.lower() not in (*_TRUE, *_FALSE):
        raise UsageError(f"The option --tagged_dataset must be True or False, and is '{value}'.")
    return ["--tagged" if value.lower() in _TRUE else "--no-tagged"]


def _device(value: str) -> Words:
    if value.lower() not in _DEVICES:
        raise UsageError(f"The option --device must be cpu or cuda, and is '{value}'.")
    # Whatever there is is used: the vectors are the same.
    return []


def _number(option: str) -> Callable[[str], Words]:
    def checked(value: str) -> Words:
        if not value.isdecimal() or not int(value):
            raise UsageError(f"The option {option} must be a whole number above 0, and is '{value}'.")
        # Neither changes the result, and both are chosen by what the machine has.
        return []

    return checked


_TRANSLATIONS: dict[str, dict[str, Callable[[str], Words]]] = {
    "process": {
        "--input_folder": _named("{}"),
        "--output_folder": _named("--out={}/embeddings.parquet", "--original={}"),
        "--tagged_dataset": _tagged,
        "--batch_size": _number("--batch_size"),
        "--num_threads": _number("--num_threads"),
        "--device": _device,
    },
    "train": {
        "--metadata_json": _named("--metadata-json={}"),
        "--tag_to_hash_json": _named("--tag-to-hash-json={}"),
        "--output": _named("--models={}/models", "--reports={}/reports"),
        "--test_per": _named("--test-share={}"),
    },
    "classify": {
        "--directory": _named("{}"),
        "--metadata_json": _named("--metadata-json={}"),
        "--output": _named("--out={}"),
        "--model": _named("--models={}"),
        "--output_bins": _named("--bins={}"),
    },
}
_ENCODER = ("--clip_model", "--pretrained")
# An argument that only image-tagging-tools has says that its defaults are meant, too.
_TELLING = {"process": "--input_folder", "train": "--metadata_json", "classify": "--directory"}


def translated(arguments: list[str]) -> list[str]:
    """The arguments of a command line with those of image-tagging-tools as they are called here; others stay.

    Raises:
        UsageError: a value that its option cannot have.

    >>> translated(["tags", "process", "--input_folder", "photos", "--tagged_dataset=False"])
    ['tags', 'process', 'photos', '--no-tagged', '--original=./output', '--out=./output/embeddings.parquet']
    """
    command = next((place for place, word in enumerate(arguments) if not word.startswith("-")), None)
    if command is None or arguments[command] != _GROUP or len(arguments) < command + 2:
        return arguments
    name, rest = arguments[command + 1], arguments[command + 2 :]
    known = _TRANSLATIONS.get(name, {})
    found: Words = []
    encoder: dict[str, str] = {}
    telling: str | None = None
    for option, value, words in _options(rest, {*known, *(_ENCODER if name == "process" else ())}):
        telling = value if option == _TELLING.get(name) else telling
        if option in _ENCODER:
            encoder[option] = value
        else:
            found += known[option](value) if option in known else words
    if encoder:
        found += _clip(encoder, found)
    if telling is not None:
        found += _defaults(name, found, telling)
    return [*arguments[: command + 2], *found]


def _options(rest: Words, known: set[str]) -> Iterator[tuple[str, str, Words]]:
    """Each option that is known with its value, and every other word; of a word that is none, ("", "", [it])."""
    words = iter(rest)
    for word in words:
        option, equals, value = word.partition("=")
        if option not in known:
            yield "", "", [word]
        elif equals:
            yield option, value, [word]
        elif (following := next(words, None)) is not None:
            yield option, following, [word, following]
        else:
            raise UsageError(f"The option {option} needs a value.")


def _clip(encoder: dict[str, str], found: Words) -> Words:
    """The extractor that a model of open_clip and its training stand for; its weights are given by --weights."""
    model, tag = (encoder.get(option) for option in _ENCODER)
    if not any(word.startswith("--weights") for word in found):
        raise UsageError(
            "The options --clip_model and --pretrained need --weights, the file of that model's weights: nothing is "
            "downloaded. Without the three the vectors are those of EfficientNet-Lite0."
        )
    return [f"--extractor=open_clip:{model or 'ViT-B-32'}:{tag or 'openai'}"]


def _defaults(command: str, found: Words, images: str) -> Words:
    """The files that image-tagging-tools writes where no option says where."""

    def without(option: str, *words: str) -> Words:
        return [] if any(word.partition("=")[0] == option for word in found) else list(words)

    if command == "process":
        return without("--original", f"--original={_FOLDER}") + without("--out", f"--out={_FOLDER}/embeddings.parquet")
    if command == "train":
        return without("--models", f"--models={_FOLDER}/models") + without("--reports", f"--reports={_FOLDER}/reports")
    from spacer_like.cli.locations import location
    from spacer_like.tags.original import default_outputs

    folder, database = default_outputs(location(images))
    return [
        *without("--out", f"--out={_FOLDER}/{folder}"),
        *without("--models", f"--models={_FOLDER}/models"),
        *without("--database", f"--database={_FOLDER}/{database}"),
    ]
