"""Commands made of messages: what is typed becomes the fields, and the help says what the fields' texts say."""

import re
from typing import Annotated, ClassVar, Literal

import pytest
import typer
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from spacer_like.cli.app import app
from spacer_like.cli.from_message import REQUIRED, from_message
from spacer_like.cli.wording import COMMANDS
from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.message_base import Location, Message, OptionalExtractorField, WritableFolder, WritableLocation
from spacer_like.messages import TASKS

CHIPS = typer.main.get_command(app).commands["chips"].commands
# Names that scripts hold: of options with both ways of a flag, and of arguments.
PROMISED = {
    "cut": "RASTERS... --out --zoom --size --quality --way --wanted --zones --kind --write --no-write --processes "
    "--json",
    "nodata": "CHIPS --out --threshold --json",
    "locate": "CHIP --tiles --json",
    "fetch-labels": "[CELL]... --tiles --extract --endpoint --keys --attempts --timeout --max-bytes --overwrite --json",
    "label-table": "INDEX.json LABELS.json --tiles --out --dense --records --partial --json",
    "plot-labels": "TABLE --distribution --correlation --map --label --json",
    "train": "TABLE CHIPS --model --extractor --network --weights --unfreeze --size --epochs --batch-size "
    "--learning-rate --validation --threshold --seed --snapshots --metrics --plot --json",
    "label": "CHIPS --model --out --given --extractor --weights --json",
    "encode": "CHIPS --out --extractor --weights --model --json",
    "index": "EMBEDDINGS... --out --kind --lists --json",
    "similar": "CHIP|IMAGE --index -k --probe --same-place --tiles --chips --sheet --out --extractor "
    "--weights --model --json",
}


class ToyMsg(Message):
    """Try everything that a field can be.

    It answers nothing.

    Fields:
        table_loc: the table, as ``x,y``.
        image_locs: the images.
        out_loc: where it goes.
        folder_loc: the folder, used with `nbr_steps`; None: no folder.
        nbr_steps: number of steps.
        share: a share of `image_locs`.
        kind: what it is.
        layers: units of the layers.
        words: words; None: all.
        threshold: a threshold.
        overwrite: whether it is overwritten.
        write: whether it is written; false: only looked at.
        text: a text.
        extractor: what makes features; None: nothing.
    """

    task: ClassVar[str] = "toy"

    table_loc: Location
    image_locs: list[Location]
    out_loc: WritableLocation
    folder_loc: WritableFolder | None = None
    nbr_steps: Annotated[StrictInt, Field(ge=1, lt=10)] = 3
    share: Annotated[StrictFloat | StrictInt, Field(gt=0, le=1)] = 0.5
    kind: Literal["left", "right"] = "left"
    layers: list[StrictInt] = Field(default_factory=lambda: [8, 4])
    words: list[StrictStr] | None = None
    threshold: StrictFloat | Literal["auto"] = 0.5
    overwrite: StrictBool = False
    write: StrictBool = True
    text: StrictStr = "a text"
    extractor: OptionalExtractorField = None  # type: ignore[assignment]


def run_toy(*arguments: str, **settings):
    """What `run` was given for command-line arguments."""
    seen = []
    settings.setdefault("arguments", {"table_loc": "TABLE", "image_locs": "IMAGE..."})
    settings.setdefault("names", {"folder_loc": "into"})
    toy = typer.Typer()
    toy.command()(from_message(ToyMsg, lambda given: seen.append(given) or 0, **settings))
    typer.main.get_command(toy).main(list(arguments), standalone_mode=False)
    return seen[0]


def test_a_message_is_made_of_what_was_typed():
    given = run_toy(
        *("/t.csv", "/a.jpg", "memory://b.jpg", "--out", "/o", "--into", "s3://b/k", "--steps", "9", "--share", "0.25"),
        *("--kind", "right", "--layers", "5, 6", "--words", "a,b,", "--threshold", "auto", "--overwrite", "--no-write"),
        *("--extractor", "resnet50", "--weights", "/w.pt"),
    )
    message = given.message()
    assert message.table_loc == DataLocation("filesystem", "/t.csv")
    assert message.image_locs == [DataLocation("filesystem", "/a.jpg"), DataLocation("memory", "b.jpg")]
    assert message.folder_loc == DataLocation("s3", "k", "b")
    assert (message.nbr_steps, message.share, message.kind, message.layers) == (9, 0.25, "right", [5, 6])
    assert (message.words, message.threshold, message.overwrite, message.write) == (["a", "b"], "auto", True, False)
    assert message.extractor.data_locations == {"weights": DataLocation("filesystem", "/w.pt")}
    assert given["into"] == "s3://b/k"


def test_what_was_not_typed_is_as_the_message_has_it():
    typed = run_toy("/t.csv", "/a.jpg", "--out", "/o").message()
    assert typed == ToyMsg(typed.table_loc, typed.image_locs, typed.out_loc)


def test_the_command_line_may_have_defaults_and_parameters_of_its_own():
    more = {"count": (Annotated[int, typer.Option()], 7), "name": (Annotated[str, typer.Argument()], REQUIRED)}
    given = run_toy("x", "/t.csv", "/a.jpg", defaults={"out_loc": "/o"}, more=more, left_out=("text",))
    assert (given["name"], given["count"], given.fields["out_loc"].key) == ("x", 7, "/o")
    assert "text" not in given.options


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("--layers", "5,x"), "--layers must be whole numbers, separated by commas, and is '5,x'"),
        (("--threshold", "high"), "--threshold must be a number or auto, and is 'high'"),
        (("--weights", "/w.pt"), "--weights belongs to an extractor"),
        (("--extractor", "lit0"), "Did you mean lite0"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_option(typed, sentence):
    with pytest.raises(SpacerInputError, match=sentence):
        run_toy("/t.csv", "/a.jpg", "--out", "/o", *typed)


def test_the_help_is_made_of_texts_choices_bounds_and_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    toy = typer.Typer(rich_markup_mode=None)
    toy.command()(
        from_message(
            ToyMsg,
            lambda given: 0,
            arguments={"table_loc": "TABLE"},
            names={"folder_loc": "into"},
            helps={"text": "Another help."},
        )
    )
    typer.main.get_command(toy).main(["--help"], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    for expected in (
        "Try everything that a field can be. It answers nothing.",
        "TABLE <str> The table, as x,y. [required]",
        "--out FILE Where it goes. [required]",
        "--into FOLDER The folder, used with --steps; without it: no folder. ",
        "--steps <int range> Number of steps. [default: 3; 1<=x<=9]",
        "--share <float range> A share of --image. [default: 0.5; x<=1]",
        "--kind <left|right> What it is. [default: left]",
        "--layers INT,... Units of the layers. [default: 8,4]",
        "--threshold NUMBER|auto A threshold. [default: 0.5]",
        "--overwrite Whether it is overwritten. ",
        "--write / --no-write Whether it is written; --no-write: only looked at. [default: write]",
        "--text <str> Another help. [default: a text]",
        "--extractor NAME lite0 or lite2 (weights are installed), resnet50, timm:MODEL, open_clip:MODEL:TAG, "
        "band-statistics or random-features (without weights; of chips with any number of bands, too), "
        "or a class's dotted path. What makes",
    ):
        assert expected in said, said


@pytest.mark.parametrize("name", PROMISED)
def test_every_option_and_argument_keeps_its_name(name):
    names = {
        word
        for one in CHIPS[name].params
        for word in (one.opts + one.secondary_opts if one.param_type_name == "option" else [one.metavar])
    }
    assert set(PROMISED[name].split()) <= names


@pytest.mark.parametrize("name", CHIPS)
def test_every_option_has_a_sentence_for_help(name):
    for one in CHIPS[name].params:
        assert one.help, one.name
        assert one.help[0] == one.help[0].upper() or one.help.startswith("lite0")
        assert one.help.endswith((".", "'-'")), one.help
        assert "`" not in one.help
        assert "None" not in one.help


def test_texts_name_commands_that_exist():
    whole = typer.main.get_command(app)
    for task, words in COMMANDS.items():
        found = whole
        for word in words.split()[1:]:
            found = found.commands[word]
        assert task in TASKS


def test_help_names_options_and_no_fields():
    """Only a value or a file may be called like a field."""
    fields = {
        field for task in TASKS.values() for of in (task.message, task.return_message) for field in of.model_fields
    } - {"partial_data"}
    for name, command in CHIPS.items():
        for text in (command.help, *(getattr(one, "help", None) for one in command.params)):
            words = set(re.findall(r"[a-z]+(?:_[a-z]+)+", text or ""))
            assert not words & fields, (name, text)
            assert not re.search(r"\b(fields?|message)\b|Msg", text or ""), (name, text)
