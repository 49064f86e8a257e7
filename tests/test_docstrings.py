import doctest
import importlib
import pkgutil

import pytest

import sk_emotion

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sk_emotion.__path__, "sk_emotion.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_pass(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("name", [name for name in sk_emotion.__all__ if callable(getattr(sk_emotion, name))])
def test_public_functions_and_classes_have_an_example(name):
    assert ">>> " in getattr(sk_emotion, name).__doc__
