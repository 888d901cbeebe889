"""The arguments of image-tagging-tools are taken by ``spacer-like tags``, with its defaults."""

import re

import pytest

from spacer_like.cli.options import UsageError
from spacer_like.cli.original_tags import translated


def tags(line: str) -> str:
    return " ".join(translated(["tags", *line.split()]))


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (
            "process --input_folder=in --output_folder=out --tagged_dataset=True --batch_size=32 --num_threads 4",
            "tags process in --out=out/embeddings.parquet --original=out --tagged",
        ),
        (
            "process --input_folder in --tagged_dataset False --device cpu",
            "tags process in --no-tagged --original=./output --out=./output/embeddings.parquet",
        ),
        (
            "process --input_folder=in --clip_model=ViT-B-32 --pretrained=openai --weights=w.pt --output_folder=o",
            "tags process in --weights=w.pt --out=o/embeddings.parquet --original=o "
            "--extractor=open_clip:ViT-B-32:openai",
        ),
        (
            "train --metadata_json=m.json --tag_to_hash_json=t.json --output=o --test_per=0.2",
            "tags train --metadata-json=m.json --tag-to-hash-json=t.json --models=o/models --reports=o/reports "
            "--test-share=0.2",
        ),
        (
            "train --metadata_json m.json --tag_to_hash_json t.json",
            "tags train --metadata-json=m.json --tag-to-hash-json=t.json --models=./output/models "
            "--reports=./output/reports",
        ),
        (
            "classify --directory=in --metadata_json=m.json --output=o --model=m.pkl --output_bins=5",
            "tags classify in --metadata-json=m.json --out=o --models=m.pkl --bins=5 --database=./output/stage3.db",
        ),
    ],
)
def test_arguments(given, taken):
    assert tags(given) == taken


def test_the_default_folder_of_a_classification_bears_the_time():
    taken = tags("classify --directory in")

    assert re.fullmatch(
        r"tags classify in --out=\./output/tagging_output_\d{1,2}_\d{1,2}_\d{1,2}_\d{1,2} --models=\./output/models "
        r"--database=\./output/stage3\.db",
        taken,
    )


@pytest.mark.parametrize(
    "line", ["process in --no-tagged", "classify in --out=o", "train", "review in --page p.html", "models"]
)
def test_other_arguments_stay(line):
    assert tags(line) == f"tags {line}"


@pytest.mark.parametrize("words", [[], ["rarity", "--input_folder", "x"], ["--help"], ["--debug", "tags"], ["tags"]])
def test_other_commands_stay(words):
    assert translated(words) == words


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("process --input_folder=in --tagged_dataset=maybe", "--tagged_dataset must be True or False, and is 'maybe'"),
        ("process --input_folder=in --device=tpu", "--device must be cpu or cuda, and is 'tpu'"),
        ("process --input_folder=in --batch_size=0", "--batch_size must be a whole number above 0, and is '0'"),
        ("process --input_folder", "--input_folder needs a value"),
        ("process --input_folder=in --clip_model=ViT-B-32", "need --weights"),
    ],
)
def test_a_wrong_value_is_refused(line, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        tags(line)
