"""Which classes a message may name."""

import sys

import pytest

from spacer_like import config
from spacer_like.exceptions import MessageError, MissingFieldError
from spacer_like.registry import _ROOMS, Described, register, resolve


class Thing(Described):
    kind = "thing"

    def __init__(self, size=1):
        self.size = size

    def arguments(self):
        return {"size": self.size}


class Other(Described):
    kind = "other"


register(Thing, "old.place.Thing")
PATH = f"{Thing.__module__}.Thing"


@pytest.mark.parametrize("path", [PATH, "old.place.Thing"])
def test_a_registered_class_is_found_by_each_of_its_paths(path):
    assert resolve(Described, path) is Thing


def test_an_instance_survives_the_journey():
    assert Thing.deserialize(Thing(3).serialize()) == Thing(3)
    assert Thing(3) != Thing(4)


@pytest.mark.parametrize("path", ["collections.OrderedDict", "os.system", "Thing", "", "spacer_like.config.Settings"])
def test_any_other_path_is_refused_and_imports_nothing(path):
    with pytest.raises(MessageError, match="is unknown"):
        resolve(Described, path)


def test_a_path_that_is_no_text_is_refused():
    with pytest.raises(MessageError, match="must be text"):
        resolve(Described, ["os.system"])


def test_a_class_of_another_kind_is_refused():
    with pytest.raises(MessageError, match="is not a kind of Other"):
        resolve(Other, PATH)


def test_a_description_without_a_class_path_is_refused():
    with pytest.raises(MissingFieldError, match="class_path"):
        Thing.deserialize({"size": 3})


class Tall(Thing):
    def __init__(self, height, **others):
        super().__init__(**others)
        self.height = height


class Bare(Described):
    pass


register(Tall)
register(Bare)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        (
            "Thing",
            {"sise": 3},
            r"The thing Thing does not accept the argument 'sise': its arguments are size\. Did you mean size\?$",
        ),
        ("Bare", {"size": 3}, r"The object Bare does not accept the argument 'size': it has no arguments\.$"),
        ("Tall", {"size": 3}, r"The thing Tall lacks the argument 'height'\.$"),
        ("Tall", {"height": 3, "colour": "red"}, "does not accept these arguments: .*'colour'"),
    ],
)
def test_arguments_that_the_class_does_not_take_are_named_beside_those_it_takes(name, arguments, sentence):
    with pytest.raises(MessageError, match=sentence):
        Described.deserialize({"class_path": f"{Thing.__module__}.{name}", **arguments})


def test_every_class_of_the_table_says_which_arguments_it_has():
    for name, module in _ROOMS.items():
        with pytest.raises(
            MessageError, match=rf"{name} does not accept the argument 'colour': its arguments are \w+, "
        ):
            Described.deserialize({"class_path": f"{module}.{name}", "colour": "red"})


@pytest.fixture
def own_package(tmp_path, monkeypatch):
    (tmp_path / "reef_lab.py").write_text(
        "from spacer_like.registry import Described\nclass Mine(Described):\n    pass\nclass Stranger:\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "reef_lab"
    sys.modules.pop("reef_lab", None)


def test_a_package_that_a_setting_names_is_imported(own_package):
    with config.override(allowed_class_prefixes=(own_package,)):
        assert resolve(Described, "reef_lab.Mine").__name__ == "Mine"


def test_but_only_descendants_of_the_base(own_package):
    with config.override(allowed_class_prefixes=(own_package,)), pytest.raises(MessageError, match="is not a kind of"):
        resolve(Described, "reef_lab.Stranger")


def test_a_prefix_is_a_whole_package_name(own_package):
    with config.override(allowed_class_prefixes=("reef",)), pytest.raises(MessageError, match="is unknown"):
        resolve(Described, "reef_lab.Mine")


def test_a_class_that_cannot_be_imported_is_named(own_package):
    with config.override(allowed_class_prefixes=(own_package,)), pytest.raises(MessageError, match=r"reef_lab\.None"):
        resolve(Described, "reef_lab.None")
