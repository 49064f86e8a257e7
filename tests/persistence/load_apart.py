"""Load model files, each in a process of its own: what was raised, what it took, and what else was done.

``python load_apart.py GOOD... -- PATH...`` writes a line of JSON for each path. The good files are loaded first, so
that all modules are there.
"""

import ctypes
import gc
import json
import os
import resource
import sys
import time
import traceback
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
    before = forget_peak()
    seen: list[str] = []
    watch(path, seen)
    start, shown = time.process_time(), ""
    try:
        error = f"loaded {type(load_model(path)).__name__}"
        kinds = []
    except BaseException as raised:
        error, kinds = str(raised), [kind.__name__ for kind in type(raised).__mro__]
        shown = "".join(traceback.format_exception(raised))
    outcome = {"error": error, "kinds": kinds, "seen": list(seen), "seconds": time.process_time() - start}
    return {**outcome, "grown": measure("VmHWM") - before, "shown": shown}


def forget_peak():
    """Give the memory of this process, and let its peak be measured from here on.

    What was freed before goes back to the system: a file would fill it unseen.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return measure("VmRSS")


def measure(name):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))


def current_address_space():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def load_apart(path):
    """Load a file in a child of this process; what it tells, or how it died."""
    reader, writer = os.pipe()
    # What is there already needs not be looked through in each child.
    gc.freeze()
    child = os.fork()
    if child == 0:
        os.close(reader)
        # Whatever happens, nothing of the parent's goes on in here.
        try:
            os.write(writer, json.dumps(load(path)).encode())
        finally:
            os._exit(0)
    gc.unfreeze()
    os.close(writer)
    with open(reader, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    return (
        json.loads(answer)
        if answer
        else {"error": f"died of {status}", "kinds": [], "grown": 0, "seen": [], "seconds": 0, "shown": ""}
    )


if __name__ == "__main__":
    split = sys.argv.index("--")
    warnings.simplefilter("ignore")
    for good in sys.argv[1:split]:
        load_model(good)
    for path in sys.argv[split + 1 :]:
        print(json.dumps({"path": path, **load_apart(path)}), flush=True)
