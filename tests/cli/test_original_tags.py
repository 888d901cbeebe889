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


@pytest.mark.parametrize(
    ("directory", "folder", "database"),
    [
        ("new", "tagging_output_", "stage3.db"),
        ("new.zip", "tagging_output_from_zip-", "stage4.db"),
        ("with-archives", "tagging_output_from_zip-", "stage4.db"),
    ],
)
def test_the_default_outputs_of_a_classification_are_named_by_the_time_and_by_the_images(
    tmp_path, monkeypatch, directory, folder, database
):
    monkeypatch.chdir(tmp_path)
    for name in ("new/1.png", "new.zip", "with-archives/1.png", "with-archives/a/2.ZIP"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    taken = tags(f"classify --directory {directory}")

    assert re.fullmatch(
        rf"tags classify {directory} --out=\./output/{folder}\d{{1,2}}_\d{{1,2}}_\d{{1,2}}_\d{{1,2}} "
        rf"--models=\./output/models --database=\./output/{database}",
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
