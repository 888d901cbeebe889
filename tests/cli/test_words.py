"""What persons read: help says what is needed, sentences speak of options, tables keep their numbers."""

import re
import subprocess
import sys
from typing import get_args

import pytest
import typer
from rich.console import Console

from spacer_like.chips.messages import BuildIndexMsg, ChipsFolderMsg, TrainMultilabelMsg
from spacer_like.cli.app import app
from spacer_like.cli.rendering import table
from spacer_like.cli.running import DESCRIPTIONS, failure_of
from spacer_like.cli.wording import COMMANDS as WORDS
from spacer_like.cli.wording import speak_of
from spacer_like.exceptions import MessageError
from spacer_like.messages import TASKS
from spacer_like.rarity.messages.preparation import PreparationMsg

from .conftest import COLOURS, TRAINING


def commands(command=None, path=()):
    """(words, command) of every command."""
    command = command or typer.main.get_command(app)
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from commands(child, (*path, name))


COMMANDS = dict(commands())


def test_an_extractor_is_named_by_the_same_option_everywhere(command):
    for path, one in COMMANDS.items():
        names = {name for parameter in one.params for name in parameter.opts}
        assert "--extractor-name" not in names, path
        assert not any("weights" in name for name in names) or "--extractor" in names, path


def test_the_old_name_of_an_option_still_works(command, tmp_path):
    for written in (["--extractor-name", "nix"], ["--extractor-name=nix"]):
        assert "The extractor 'nix' is unknown" in command("chips", "encode", tmp_path, *written).err


@pytest.mark.parametrize(
    ("path", "needed"), [("extract", ["--out"]), ("train", ["--features", "--model"]), ("classify", ["--model"])]
)
def test_needed_options_are_marked(command, path, needed):
    text = command(path, "--help").out
    for name in needed:
        assert re.search(rf"{name} [^-]*\[required\]", text), text


@pytest.mark.parametrize(
    ("path", "option", "message", "field"),
    [
        (("chips", "cut"), "way", ChipsFolderMsg, "way"),
        (("chips", "cut"), "wanted", ChipsFolderMsg, "wanted"),
        (("chips", "cut"), "kind", ChipsFolderMsg, "kind"),
        (("chips", "train"), "network", TrainMultilabelMsg, "network"),
        (("chips", "index"), "kind", BuildIndexMsg, "kind"),
        (("rarity",), "resample", PreparationMsg, "resample"),
    ],
)
def test_choices_are_shown_and_are_those_of_the_message(command, path, option, message, field):
    choices = get_args(message.model_fields[field].annotation)
    assert len(choices) > 1
    assert f"--{option} <{'|'.join(choices)}>" in command(*path, "--help").out
    said = command(*path, "x", f"--{option}", "nix")
    assert f"'nix' is not one of {', '.join(map(repr, choices))}. See spacer-like {' '.join(path)} --help." in said.err


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_mistake_in_the_arguments_points_at_the_help_of_its_command(command, path):
    said = command(*path, "--no-such-option")
    assert said.code == 64
    assert said.err.endswith(f"See spacer-like {' '.join(path)} --help.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "extract photos/0.jpg --out f",
            "set them with --grid, --random or --stratified. See spacer-like extract --help.",
        ),
        (
            "extract photos --grid 2 --random 3 --out f",
            "Choose between --grid and --random or --stratified. See spacer-like extract",
        ),
        ("chips plot-labels labels.csv", "each with a file. See spacer-like chips plot-labels --help."),
        ("chips cut photos --zoom 30", "Invalid value for '--zoom': it must be at most 26. See"),
        ("chips cut photos --zoom x", "Invalid value for '--zoom': it must be a whole number. See"),
        ("chips train labels.csv photos --learning-rate 0", "--learning-rate: it must be greater than 0."),
        ("chips index a.safetensors --out a.safetensors", "--out would overwrite EMBEDDINGS, both"),
        (
            "chips fetch-labels Z33-031111212322 --endpoint ftp://x",
            "--endpoint: it must be a URL that begins with http://",
        ),
        (
            "chips train labels.csv photos --threshold 3",
            "--threshold: it must be less than 1, or ",
        ),
        ("chips plot-labels labels.csv --map https://a/b", "--map: Write not supported for 'url' storage type."),
        ("chips nodata photos --out https://a/b", "--out: Write not supported"),
        ("chips encode photos --out photos", "--out would overwrite CHIPS"),
        *((f"tags train --precision {number}", "--precision: it must be less than 1.") for number in ("1", "2", "inf")),
        *((f"tags train --precision {number}", "--precision: it must be greater than 0.") for number in ("0", "nan")),
        ("tags models photos", ".safetensors, and spacer-like tags train makes it."),
        ("tags train labels.csv", "is no table of embeddings of spacer-like tags process: "),
        ("rarity . --background red", "--background: 'red' is neither 'drop' nor a colour"),
    ],
)
def test_a_refusal_speaks_of_options_and_not_of_messages(reef, command, arguments, sentence):
    said = command(*arguments.split())
    assert said.code == 64
    assert sentence in said.err
    assert not re.search(r"Msg\b|_locs?\b|validate|Input should", said.err)


@pytest.mark.parametrize(
    ("path", "sentence", "said"),
    [
        (
            ("extract",),
            "feature_loc: a.features would overwrite image_loc.",
            "--out: a.features would overwrite the image.",
        ),
        (("chips", "train"), "validation_share leaves no chips; nbr_epochs", "--validation leaves no chips; --epochs"),
        (("chips", "similar"), "n_probe, chips_loc and size", "--probe, --chips and size"),
        (("wrong-labels",), "wrong_loc would overwrite a.", "--out would overwrite a."),
        (("run",), "feature_loc would overwrite image_loc.", "feature_loc would overwrite image_loc."),
        (("run",), "train_tags makes it.", "train_tags makes it."),
        (("tags", "models"), "'train_tags' and a/train_tags.", "'train_tags' and a/train_tags."),
    ],
)
def test_the_failure_of_one_task_of_many_speaks_of_options(path, sentence, said):
    speak_of(" ".join(("spacer-like", *path)), COMMANDS[path])
    assert failure_of("a.jpg", MessageError(sentence))["message"] == f"a.jpg: {said}"


def test_a_sentence_that_names_a_task_names_its_command():
    of_messages = {one.callback.task: path for path, one in COMMANDS.items() if hasattr(one.callback, "task")}
    # Three commands answer it, and that for points is not made of the message.
    del of_messages["find_wrong_labels"]
    assert {task: WORDS.get(task) for task in of_messages} == {
        task: " ".join(("spacer-like", *path)) for task, path in of_messages.items()
    }
    assert len(of_messages) > 10


def test_who_writes_messages_is_told_of_fields(tmp_path, command):
    (tmp_path / "job.json").write_text('{"task_name": "classify_image", "tasks": [{"job_token": 1}]}')
    assert "ClassifyImageMsg does not validate: job_token" in command("run", tmp_path / "job.json").err


def test_every_task_has_words_for_its_progress():
    assert set(TASKS) == set(DESCRIPTIONS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("schema clasify_image", "Did you mean classify_image?"),
        ("schema ClasifyImageMsg", "Did you mean ClassifyImageMsg?"),
        ("schema something_else", "Choose one of extract_features"),
        ("extract photos --grid 2 --out f --extractor lit0", "Did you mean lite0?"),
        ("exract photos", "Did you mean 'extract'?"),
        ("rarity photos --methods ratio,suprisal", "Did you mean surprisal?"),
        ("rarity photos --buckets lgo", "Did you mean log?"),
    ],
)
def test_a_misspelt_name_gets_a_suggestion(reef, command, arguments, said):
    assert said in command(*arguments.split()).err


def test_numbers_are_whole_in_80_columns(capsys):
    rows = table("a name", "points", "precision", "recall", "F1", names=1)
    rows.add_row("a class whose name is far too long for a narrow terminal, really", "12,345,678", *["100.0 %"] * 3)
    Console(width=80).print(rows)
    text = capsys.readouterr().out
    assert "12,345,678" in text
    assert text.count("100.0 %") == 3
    assert "precision" in text
    assert max(map(len, text.splitlines())) <= 80


def test_train_classify_and_extract_name_every_file_that_they_wrote(reef, command):
    said = command(
        "extract", "photos", "--grid", 2, "--out", "other", "--points-out", "set.csv", "--extractor", COLOURS
    )
    assert "Points: set.csv" in said.out
    command("extract", "--points", "labels.csv", "--out", "features", "--extractor", COLOURS)
    files = {"--report": "r.json", "--plot": "p.png", "--page": "p.html", "--valresult": "v.json"}
    said = command("train", *TRAINING, "--validation", 0.2, *(word for pair in files.items() for word in pair))
    for name in ("reef.pkl", *files.values()):
        assert f": {name}\n" in said.out
    said = command(
        "classify", "photos", "--grid", 2, "--model", "reef.pkl", "--extractor", COLOURS,
        "--out", "c.csv", "--annotate", "drawn",
    )  # fmt: skip
    assert "Every point: c.csv\n" in said.out
    assert "Pictures: drawn\n" in said.out


def test_the_shell_completes_commands_and_options():
    def completed(words: str, number: int) -> str:
        program = "import sys; sys.argv[0] = 'spacer-like'; from spacer_like.cli import main; sys.exit(main())"
        environment = {"_SPACER_LIKE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        return run.stdout

    assert "classify" in completed("spacer-like cl", 1).split()
    assert "--extractor" in completed("spacer-like chips encode --ex", 3).split()
