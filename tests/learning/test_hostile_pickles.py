"""Pickles that want to do harm: each is refused, and nothing runs."""

import builtins
import copyreg
import os
import pickle
import pickletools
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like import storage
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import ModelFileError
from spacer_like.learning.model_files import classifier_from_bytes, load_classifier
from spacer_like.learning.pickles import MAX_INSTRUCTIONS, read_pickle
from spacer_like.learning.sklearn_tree import ALLOWED

from ..readers.refusals import refused_by_name

GOLDEN = Path(__file__).parent / "golden"
CLASSIFIER = (GOLDEN / "mlp3_1.5.2.pkl").read_bytes()


class Calls:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it-ran"


def hostile(marker: Path) -> dict[str, bytes]:
    touch = f"touch {marker}"
    opened = f"open({str(marker)!r}, 'w').close()"
    array = np.array([Calls(os.system, touch)], dtype=object)
    text = str(marker).encode()
    short = b"\x8c" + bytes([len(text)]) + text
    return {
        "os.system": pickle.dumps(Calls(os.system, touch)),
        "os.system in protocol 0": pickle.dumps(Calls(os.system, touch), protocol=0),
        "eval": pickle.dumps(Calls(eval, opened)),
        "exec": pickle.dumps(Calls(exec, opened)),
        "subprocess": pickle.dumps(Calls(subprocess.call, ["touch", str(marker)])),
        "getattr": pickle.dumps(Calls(getattr, builtins.str, "x")),
        "nested getattr": b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93\x8c\x02os\x8c\x06system\x93\x8c\x01x\x86R.",
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
        "module from a variable": b"\x80\x04" + short + b"\x8c\x06system\x93.",
        "a name that is no text": b"\x80\x04K\x01K\x02\x93.",
        "a call of an argument": b"\x80\x02X\x02\x00\x00\x00hi)R.",
        "an object array": pickle.dumps(array),
        "an object array within a classifier": CLASSIFIER[:-1] + b"0" + pickle.dumps(array, protocol=2)[2:],
        "before a classifier": pickle.dumps(Calls(os.system, touch), protocol=2)[:-1] + b"0" + CLASSIFIER[2:],
        "after a classifier": CLASSIFIER[:-1] + b"0" + pickle.dumps(Calls(os.system, touch), protocol=2)[2:],
        "a state for a class": b"\x80\x02cnumpy\nndarray\n}b.",
        "a state for a function": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}U\x0c__defaults__)s\x86b.",
        "setattr by a state": b"\x80\x02csklearn.calibration\n_SigmoidCalibration\n)\x81N}U\x09__class__Ns\x86b.",
        "persistent id": b"\x80\x02U\x03abcQ.",
        "persistent id in protocol 0": b"Pabc\n.",
        "extension code": b"\x80\x02\x82\x01.",
        "extension code of 4 bytes": b"\x80\x02\x84\x01\x00\x00\x00.",
        "out-of-band buffer": b"\x80\x05\x97.",
        "old-style instance": b"(S'touch'\nios\nsystem\n.",
        "old-style object": b"(cos\nsystem\nS'touch'\no.",
        "set": b"\x80\x04\x8f.",
    }


NAMED = r"The pickle names \S+, which no classifier file needs; it was not opened\.$"
WHY_OTHERS = {
    "a call of an argument": "The pickle calls something that is no class or function",
    "a state for a class": "The pickle gives a state to something that it did not make",
    "a state for a function": "The pickle gives a state to something that it did not make",
    "setattr by a state": "A _SigmoidCalibration in the pickle is malformed",
    "persistent id": "needs: BINPERSID",
    "persistent id in protocol 0": "needs: PERSID",
    "extension code": "needs: EXT1",
    "extension code of 4 bytes": "needs: EXT4",
    "out-of-band buffer": "needs: NEXT_BUFFER",
    "old-style instance": "needs: INST",
    "set": "needs: EMPTY_SET",
}
"""What the sentence says where a pickle does not fail by a name."""


@pytest.mark.parametrize("name", hostile(Path("/tmp/x")))
def test_it_is_refused_and_does_not_run(name: str, marker: Path) -> None:
    with pytest.raises(ModelFileError, match=WHY_OTHERS.get(name, NAMED)):
        classifier_from_bytes(hostile(marker)[name])
    assert not marker.exists()


def test_the_marker_would_have_shown_it(marker: Path) -> None:
    pickle.loads(hostile(marker)["os.system"])
    assert marker.exists()


def test_the_sentence_names_the_file_and_what_it_asks_for(marker: Path) -> None:
    location = DataLocation("memory", "gift.pkl")
    storage.write_bytes(location, hostile(marker)["os.system"])
    with pytest.raises(ModelFileError, match=r"^memory://gift\.pkl: The pickle names (posix|nt)\.system,"):
        load_classifier(location)


def test_nothing_is_imported_for_a_name() -> None:
    program = """
import sys
from spacer_like.learning.model_files import classifier_from_bytes
before = set(sys.modules)
try:
    classifier_from_bytes(b"\\x80\\x02cantigravity\\nfly\\n.")
except ValueError:
    pass
classifier_from_bytes(open(sys.argv[1], "rb").read())
print(sorted(name for name in set(sys.modules) - before if name.startswith(("antigravity", "sklearn", "scipy"))))
"""
    path = str(GOLDEN / "mlp3_1.5.2.pkl")
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_registered_extensions_are_not_looked_up(marker: Path) -> None:
    copyreg.add_extension("os", "system", 250)
    try:
        with pytest.raises(ModelFileError, match="EXT1"):
            classifier_from_bytes(b"\x80\x02\x82\xfaU\x01x\x85R.")
    finally:
        copyreg.remove_extension("os", "system", 250)


class TestMemoryAndTimeAreBounded:
    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.", f"expected {2**62} bytes in a bytes8"),
            (b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.", f"expected {2**40} bytes in a unicodestring8"),
            (b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"x.", f"expected {2**31 - 1} bytes in a string4"),
            (b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"x.", f"expected {2**32 - 1} bytes in a unicodestring4"),
            (b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.", "not enough data in stream to read long4"),
            # How long a frame is, nobody needs to know: it is read as if it were not there, and holds no value.
            (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b".", "The pickle is damaged: pop from empty list"),
            (b"I" + b"9" * 100_000 + b"\n.", "limit .4300 digits."),
        ],
    )
    def test_announced_lengths_are_not_believed(self, data: bytes, why: str) -> None:
        with pytest.raises(ModelFileError, match=why):
            classifier_from_bytes(data)

    def test_a_memo_with_huge_numbers(self) -> None:
        with pytest.raises(ModelFileError, match="instead of"):
            classifier_from_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("i8", "its shape does not fit its bytes"),
            ("U999", "its shape does not fit its bytes"),
            ("V9999999999", "it holds neither numbers nor texts"),
            ("f8, f8", "it holds neither numbers nor texts"),
            ("M8[ns]", "it holds neither numbers nor texts"),
        ],
    )
    def test_an_array_larger_than_its_bytes(self, name: str, why: str) -> None:
        # The classes: three integers of 8 bytes.
        before, after = b"(K\x01K\x03\x85q0", b"cnumpy\ndtype\nq1X\x02\x00\x00\x00i8"
        assert CLASSIFIER.count(before + after) == 1
        hostile_type = after[:-6] + struct.pack("<I", len(name)) + name.encode()
        data = CLASSIFIER.replace(before + after, b"(K\x01J\xff\xff\xff\x7f\x85q0" + hostile_type)
        with pytest.raises(ModelFileError, match=rf"An array in the pickle is malformed \({why}"):
            classifier_from_bytes(data)

    def test_nested_tuples_as_a_key(self) -> None:
        # The hash of the innermost would be computed 2^60 times.
        doubled = b"\x80\x02}N" + b"2\x86" * 60 + b"Ns."
        with pytest.raises(ModelFileError, match="key"):
            classifier_from_bytes(doubled)

    def test_deep_nesting(self) -> None:
        with pytest.raises(ModelFileError, match="Loaded a tuple instead of"):
            classifier_from_bytes(b"\x80\x02N" + b"\x85" * 200_000 + b".")
        with pytest.raises(ModelFileError, match="a value is missing"):
            classifier_from_bytes(b"\x80\x02" + b"(" * 200_000 + b".")

    def test_endless_instructions(self) -> None:
        with pytest.raises(ModelFileError, match="instructions"):
            classifier_from_bytes(b"\x80\x02" + b"N0" * (MAX_INSTRUCTIONS // 2 + 10) + b".")


class TestDamage:
    @pytest.mark.parametrize(
        "data", [b"", b".", b"\x80\x02.", b"\x80", b"{}", b"not a pickle", b"\x80\x02N", CLASSIFIER[:-1]]
    )
    def test_what_is_no_pickle(self, data: bytes) -> None:
        with pytest.raises(ModelFileError, match=r"^The classifier file: The pickle is damaged: "):
            classifier_from_bytes(data)

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (rb"cskl\hearn" + b"\nName\n.", r"names skl\\hearn\.Name, which"),
            (rb"(iskl\hearn" + b"\nName\n.", "needs: INST"),
            (rb"Pa\hb" + b"\n.", "needs: PERSID"),
            (rb"S'a\hb'" + b"\n.", "a string with an unknown escape"),
            (rb"S'a\400'" + b"\n.", "a string with an unknown escape"),
            (rb"S'a\x1'" + b"\n.", "a string with an unknown escape"),
            (b"csklearn\nName", "a name that does not end"),
        ],
    )
    def test_escapes_that_there_are_not(self, data: bytes, why: str) -> None:
        with pytest.raises(ModelFileError, match=why):
            classifier_from_bytes(data)

    def test_escapes_that_there_are(self) -> None:
        texts = [b"", b"a", b"\x00\x01\xff\n\t\r\\'\"", b"\x007", bytes(range(256))]
        for text in texts:
            assert read_pickle(b"S" + repr(text)[1:].encode() + b"\n.", ()) == text.decode("latin-1")
        assert read_pickle(rb"S'\0\12\123\1234\77'" + b"\n.", ()) == "\0\n\x53\x534\x3f"

    @pytest.mark.parametrize("value", [None, 5, "text", [1], {"a": 1}, (1, 2)])
    def test_other_values(self, value: Any) -> None:
        with pytest.raises(ModelFileError, match=f"^file: Loaded a {type(value).__name__} instead of a Calibrated"):
            classifier_from_bytes(pickle.dumps(value), "file")

    @given(st.data())
    def test_flipped_bytes_give_a_classifier_or_a_clear_error(self, data: st.DataObject) -> None:
        damaged = bytearray(CLASSIFIER)
        for _ in range(data.draw(st.integers(1, 5))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        with refused_by_name("flipped.pkl", ModelFileError):
            assert classifier_from_bytes(bytes(damaged), "flipped.pkl").n_features_in_ == 5

    @given(st.integers(0, len(CLASSIFIER) - 1))
    def test_truncated_files(self, length: int) -> None:
        with pytest.raises(ModelFileError, match=r"^The classifier file: The pickle is damaged: "):
            classifier_from_bytes(CLASSIFIER[:length])


def test_keyword_arguments_are_refused_and_none_are_read() -> None:
    def data(keywords: bytes) -> bytes:
        return b"\x80\x04cnumpy\nndarray\n)" + keywords + b"\x92."

    assert read_pickle(data(b"}"), {"numpy.ndarray"}).name == "numpy.ndarray"
    with pytest.raises(ModelFileError, match=r"damaged.*keyword arguments are not understood"):
        read_pickle(data(b"}(X\x01\x00\x00\x00aK\x01u"), {"numpy.ndarray"})


def test_the_allow_list_names_no_function_that_python_could_misuse() -> None:
    """Every allowed name is text that is compared; the list is still kept to what classifiers' pickles mention."""
    mentioned = set()
    for path in GOLDEN.glob("*.pkl"):
        for opcode, argument, _ in _instructions(path.read_bytes()):
            if opcode.name == "GLOBAL":
                mentioned.add(argument.replace(" ", "."))
    assert mentioned <= ALLOWED
    assert not {name for name in ALLOWED if name.startswith(("os.", "posix.", "sys.", "subprocess."))}


def _instructions(data: bytes) -> Any:
    # Python 2's strings are not read by pickletools; their files are left out.
    try:
        return list(pickletools.genops(data))
    except ValueError:
        return []
