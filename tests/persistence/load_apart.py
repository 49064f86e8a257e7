"""Load model files, each in a process of its own: what was raised, what it took, and what else was done.

``python load_apart.py GOOD... -- PATH...`` writes a line of JSON for each path. The good files are loaded first, so
that all modules are there.
"""

import json
import os
import resource
import sys
import time
import warnings

import torchvision  # noqa: F401 - a file may ask for its networks

from sk_emotion import load_model

LIMIT = 2_000_000_000
"""Of address space, so that the machine lives on where a test fails; and SECONDS of processor time."""
SECONDS = 60

FORBIDDEN = (
    "os.",
    "shutil.",
    "subprocess.",
    "socket.",
    "pickle.",
    "marshal.",
    "ctypes.",
    "import",
    "webbrowser.",
    "urllib.",
)
HARMLESS = ("os.listdir", "os.scandir")


def watch(path, seen):
    """Note down events of Python that no loading of a model needs."""

    def hook(event, arguments):
        if event == "open":
            file = str(arguments[0])
            if file != str(path) and not file.endswith((".py", ".pyc")):
                seen.append(f"open {file}")
        elif event.startswith(FORBIDDEN) and event not in HARMLESS:
            seen.append(f"{event} {arguments}")

    sys.addaudithook(hook)


def load(path):
    """Load a file, and tell what became of it."""
    resource.setrlimit(resource.RLIMIT_AS, (current_address_space() + LIMIT,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    seen: list[str] = []
    watch(path, seen)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        error = f"loaded {type(load_model(path)).__name__}"
        kinds = []
    except BaseException as raised:
        error, kinds = str(raised), [kind.__name__ for kind in type(raised).__mro__]
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return {"error": error, "kinds": kinds, "grown": grown, "seen": seen, "seconds": time.monotonic() - start}


def current_address_space():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def load_apart(path):
    """Load a file in a child of this process; what it tells, or how it died."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        # Whatever happens, nothing of the parent's goes on in here.
        try:
            os.write(writer, json.dumps(load(path)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    return json.loads(answer) if answer else {"error": f"died of {status}", "kinds": [], "grown": 0, "seen": []}


if __name__ == "__main__":
    split = sys.argv.index("--")
    warnings.simplefilter("ignore")
    for good in sys.argv[1:split]:
        load_model(good)
    for path in sys.argv[split + 1 :]:
        print(json.dumps({"path": path, **load_apart(path)}), flush=True)
