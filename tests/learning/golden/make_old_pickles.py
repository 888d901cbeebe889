"""Writes pickles as scikit-learn 0.17.1 (Python 2) and 0.22.1 wrote them, which no current Python can install.

    python make_old_pickles.py FOLDER

The numbers are those of the pickles of 1.1.3 in the same folder, so that the answers are too; module paths, attributes
and instructions are those of the old versions. PySpacer 0.14 opens these files and gives the same answers.
"""

import shutil
import sys
from pathlib import Path

from spacer_like.learning.pickles import Made, Reference, read_pickle
from spacer_like.learning.sklearn_tree import ALLOWED

FUNCTIONS = ("numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar", "numpy.dtype", "_codecs.encode")
NAMES_0_17 = {
    "sklearn.linear_model._stochastic_gradient.SGDClassifier": "sklearn.linear_model.stochastic_gradient.SGDClassifier",
    "sklearn.linear_model._sgd_fast.Log": "sklearn.linear_model.sgd_fast.Log",
}


def aged(node, version, names, done):
    """The tree of a classifier of 1.1.3, with the attributes that an older version had."""
    if isinstance(node, dict):
        return {key: aged(value, version, names, done) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(aged(value, version, names, done) for value in node)
    if isinstance(node, Reference):
        return Reference(names.get(node.name, node.name))
    if not isinstance(node, Made):
        return node
    if id(node) not in done:
        made = done[id(node)] = Made(names.get(node.name, node.name), aged(node.arguments, version, names, done))
        state = aged(node.state, version, names, done)
        name = node.name.rpartition(".")[2]
        if isinstance(state, dict):
            state.pop("_sklearn_version", None)
            if version == "0.22.1" and name != "_CalibratedClassifier":
                state["_sklearn_version"] = version
            if name in ("CalibratedClassifierCV", "_CalibratedClassifier"):
                for added_later in ("ensemble", "n_jobs", "n_features_in_"):
                    state.pop(added_later, None)
            if name == "_CalibratedClassifier":
                state["classes_"] = state.pop("classes")
                state["calibrators_"] = state.pop("calibrators")
                if version == "0.22.1":
                    encoder = Made("sklearn.preprocessing._label.LabelEncoder", state={"classes_": state["classes_"]})
                    state |= {"classes": None, "label_encoder_": encoder}
            if state.get("loss") == "log_loss" and name == "SGDClassifier":
                state["loss"] = "log"
        made.state = state
    return done[id(node)]


class Writer:
    """Emits a tree; `text`: protocol 0, else 2. `python` 2 knows bytes only, 3 writes them as encoded text."""

    def __init__(self, python, text):
        self.python, self.text, self.out, self.memo = python, text, bytearray(), {}

    def bytes_(self, value):
        if self.text:
            quoted = repr(value)[1:].encode("ascii")
            self.out += b"S" + quoted + b"\n"
        elif len(value) < 256:
            self.out += b"U" + bytes([len(value)]) + value
        else:
            self.out += b"T" + len(value).to_bytes(4, "little") + value

    def string(self, value):
        if self.python == 2:
            self.bytes_(value.encode("latin-1"))
        else:
            encoded = value.encode("utf-8")
            self.out += b"X" + len(encoded).to_bytes(4, "little") + encoded

    def put(self, node):
        self.memo[id(node)] = number = len(self.memo)
        self.out += f"p{number}\n".encode() if self.text else b"r" + number.to_bytes(4, "little")

    def write(self, node):
        if node is None:
            self.out += b"N"
        elif isinstance(node, bool) and not self.text:
            self.out += b"\x88" if node else b"\x89"
        elif isinstance(node, bool | int):
            self.out += f"I{int(node):02d}\n".encode() if isinstance(node, bool) else f"I{node}\n".encode()
        elif isinstance(node, float):
            self.out += f"F{node!r}\n".encode()
        elif isinstance(node, str):
            self.string(node)
        elif isinstance(node, Reference):
            module, _, name = node.name.rpartition(".")
            self.out += f"c{module}\n{name}\n".encode()
        elif isinstance(node, tuple):
            self.out += b"("
            for value in node:
                self.write(value)
            self.out += b"t"
        elif isinstance(node, list):
            self.out += b"(l"
            for value in node:
                self.write(value)
                self.out += b"a"
        elif isinstance(node, dict):
            self.out += b"(d"
            for key, value in node.items():
                self.write(key)
                self.write(value)
                self.out += b"s"
        elif isinstance(node, Made) and node.name == "_codecs.encode" and self.python == 2:
            self.bytes_(node.arguments[0].encode("latin-1"))
        elif id(node) in self.memo:
            number = self.memo[id(node)]
            self.out += f"g{number}\n".encode() if self.text else b"j" + number.to_bytes(4, "little")
        else:
            self.made(node)

    def made(self, node):
        is_call = node.name in FUNCTIONS or node.arguments or node.name.endswith(".Log") or "_ctor" in node.name
        if is_call:
            self.write(Reference(node.name))
            self.write(node.arguments)
            self.out += b"R"
        elif self.text:
            self.write(Reference("copy_reg._reconstructor"))
            self.write((Reference(node.name), Reference("__builtin__.object"), None))
            self.out += b"R"
        else:
            self.write(Reference(node.name))
            self.out += b")\x81"
        self.put(node)
        if node.state is not None:
            self.write(node.state)
            self.out += b"b"


def main(folder):
    folder = Path(folder)
    for stem, version, python, text in (
        ("lr3", "0.17.1", 2, False),
        ("lr2", "0.17.1", 2, False),
        ("lr3", "0.17.1_text", 2, True),
        ("lr3", "0.22.1", 3, False),
        ("mlp3", "0.22.1", 3, False),
    ):
        tree = read_pickle((folder / f"{stem}_1.1.3.pkl").read_bytes(), ALLOWED)
        names = NAMES_0_17 if version.startswith("0.17") else {}
        writer = Writer(python, text)
        writer.write(aged(tree, version.partition("_")[0], names, {}))
        start = b"" if text else b"\x80\x02"
        (folder / f"{stem}_{version}.pkl").write_bytes(start + bytes(writer.out) + b".")
        shutil.copyfile(folder / f"{stem}_1.1.3.json", folder / f"{stem}_{version}.json")


if __name__ == "__main__":
    main(*sys.argv[1:])
