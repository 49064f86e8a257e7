import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import sk_emotion

MODULES = [
    module.name
    for module in pkgutil.walk_packages(sk_emotion.__path__, "sk_emotion.")
    if not module.name.endswith("__main__")
]


def test_import_loads_nothing_heavy():
    code = "import sys, sk_emotion; print({'torch', 'torchvision', 'matplotlib', 'skimage'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", sk_emotion.__all__)
def test_public_name_is_there(name):
    assert getattr(sk_emotion, name) is not None


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_docstrings_run(name):
    # Warnings are errors here, but an example may show one.
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0
