"""Load damaged and forged model files for a given number or time: only errors of sk_emotion may be raised.

    python tests/soak/fuzz_models.py --count 500 --keep escapes

Each file is determined by the seed and its number, so that ``--only NUMBER`` reproduces it. It is loaded in its own
child process, which must not run or open anything, nor use more than 300 MB or 5 s of CPU time. Files that load without
an error are fine: nothing is guaranteed about the predictions of a forged model.
"""

import argparse
import collections
import copy
import itertools
import json
import random
import re
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "persistence"))
from forging import pack, unpack
from load_apart import load_apart
from saved_models import MODELS

from sk_emotion import load_model, make_faces, save_model
from sk_emotion.persistence._trusted import KINDS, TRUSTED

MEMORY = 300_000_000
SECONDS = 5
KINDS_OF_MODELS = ("strings", "hog and svm", "search", "isotonic", "ema")
VALUES = (None, True, 0, -1, 1.5, 10**9, 10**30, 1e308, "", "0", "a" * 1000, "schema.json", [], {}, [0] * 100)
PAIRS = sorted((kind, *name.rpartition(".")[::2]) for kind, names in TRUSTED.items() for name in names)


def change_value(nodes, rng):
    node = rng.choice(nodes)
    node[rng.choice(list(node))] = rng.choice(VALUES)


def change_text(nodes, rng):
    node = rng.choice([node for node in nodes if node["__loader__"] == "JsonNode"])
    node["content"] = json.dumps(rng.choice(VALUES))


def change_kind(nodes, rng):
    rng.choice(nodes)["__loader__"] = rng.choice([*sorted(KINDS), "CachedNode", "MethodNode", "OperatorFuncNode"])


def change_name(nodes, rng):
    node = rng.choice(nodes)
    node["__loader__"], node["__module__"], node["__class__"] = rng.choice(PAIRS)


def lend(key):
    """Return a function that copies a value from one node to another."""

    def change(nodes, rng):
        having = [node for node in nodes if key in node]
        if having:
            rng.choice(having)[key] = copy.deepcopy(rng.choice(having)[key])

    return change


def replace_node(nodes, rng):
    one, other = rng.sample(nodes, 2)
    # A copy, since a node must not contain itself.
    copied = copy.deepcopy(other)
    one.clear()
    one.update(copied)


def drop_key(nodes, rng):
    node = rng.choice(nodes)
    del node[rng.choice(list(node))]


def drop_part(nodes, rng):
    having = [node for node in nodes if node.get("content") and not isinstance(node["content"], str)]
    if having:
        content = rng.choice(having)["content"]
        del content[rng.choice(list(content) if isinstance(content, dict) else range(len(content)))]


CHANGES = (
    *(
        change_value,
        change_text,
        change_text,
        change_kind,
        change_name,
        replace_node,
        replace_node,
        drop_key,
        drop_part,
    ),
    *(lend("file"), lend("__id__"), lend("content"), lend("key_types"), lend("shape")),
)


def change_schema(parts, rng):
    schema = json.loads(parts["schema.json"])
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        nodes = [node for node in list_nodes(schema) if len(node) > 1]
        # An earlier change may have removed all nodes of the kind.
        with suppress(IndexError, ValueError):
            rng.choice(CHANGES)(nodes, rng)
    parts["schema.json"] = json.dumps(schema).encode()


def list_nodes(item):
    """List the nodes of a tree that may be damaged."""
    below = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    own = [item] if isinstance(item, dict) and "__loader__" in item else []
    return own + [node for part in below for node in list_nodes(part)]


def change_array(parts, rng):
    """Flip bytes of an array or its header, or replace it by another array."""
    arrays = sorted(name for name in parts if name != "schema.json")
    name = rng.choice(arrays)
    content = bytearray(parts[name])
    if rng.random() < 0.3:
        content = parts[rng.choice(arrays)]
    elif rng.random() < 0.5:
        # Change shape or dtype.
        header = re.sub(
            rb"\d", lambda _: str(rng.randrange(10)).encode(), bytes(content[:128]), count=rng.randrange(1, 4)
        )
        content = header + content[128:]
    else:
        flip(content, rng)
    parts[name] = bytes(content)


def flip(content, rng):
    for _ in range(rng.choice((1, 2, 10, 100))):
        content[rng.randrange(len(content))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def make_file(good, seed, number):
    """Return the content of the file with this number."""
    rng = random.Random(f"{seed} {number}")
    content = rng.choice(good)
    way = rng.random()
    if way < 0.15:
        content = bytearray(content)
        # The zip directory is at the end.
        start = rng.choice((0, max(0, len(content) - 3000)))
        part = content[start:]
        flip(part, rng)
        return bytes(content[:start] + part)
    if way < 0.2:
        return content[: rng.randrange(len(content))]
    parts = unpack(content)
    (change_schema if way < 0.8 else change_array)(parts, rng)
    return pack(parts)


def make_good():
    """Save a model of each kind and return the contents of the files."""
    X, y, groups = make_faces(36, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)
    good = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.skops")
        for kind in KINDS_OF_MODELS:
            save_model(MODELS[kind][0]().fit(X, y, **({"groups": groups} if kind == "search" else {})), path)
            load_model(path)
            good.append(path.read_bytes())
    # Import all modules that a file may name, so that any further import counts as an escape.
    for _, module, _ in PAIRS:
        if module != "pathlib._local":
            import_module(module)
    return good


def judge(result):
    """Return a description of the outcome, and whether it is an escape."""
    if result["seen"]:
        return f"did {result['seen'][0]}", True
    if result["grown"] > MEMORY or result["seconds"] > SECONDS:
        return f"used {result['grown'] / 1e6:.0f} MB, {result['seconds']:.0f} s", True
    if not result["kinds"]:
        return result["error"].split(" ")[0], not result["error"].startswith("loaded")
    if "SkEmotionError" not in result["kinds"]:
        return result["kinds"][0], True
    return "was rejected", False


def main(description, make_good, make_file, name):
    """Load files of one kind, and return 1 if any has escaped."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--count", type=int, help="number of files, instead of a time limit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of a single file to load")
    parser.add_argument("--keep", type=Path, help="folder for files that escape")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    good = make_good()
    counts: collections.Counter[str] = collections.Counter()
    most = {"grown": 0, "seconds": 0.0}
    end = time.monotonic() + 60 * arguments.minutes
    numbers = itertools.count() if arguments.count is None else range(arguments.count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        for number in numbers if arguments.only is None else [arguments.only]:
            if arguments.count is None and time.monotonic() > end:
                break
            content = make_file(good, arguments.seed, number)
            path.write_bytes(content)
            result = load_apart(path)
            what, escaped = judge(result)
            counts[what] += 1
            counts["escapes"] += escaped
            most = {name: max(value, result[name]) for name, value in most.items()}
            if escaped:
                print(f"{number}: {what}: {result['kinds']} {result['error'][:300]}", flush=True)
                if arguments.keep:
                    arguments.keep.mkdir(exist_ok=True)
                    (arguments.keep / f"{arguments.seed}-{number}{path.suffix}").write_bytes(content)
            if arguments.only is not None:
                print(result)
            elif number % 100 == 99:
                print(f"{number + 1} files so far: {dict(counts)}", flush=True)
    print(
        f"{counts.total() - counts['escapes']} files: {dict(counts)}; at most {most['grown'] / 1e6:.0f} MB and "
        f"{most['seconds']:.1f} s."
    )
    return min(counts["escapes"], 1)


if __name__ == "__main__":
    sys.exit(main(__doc__, make_good, make_file, "model.skops"))
