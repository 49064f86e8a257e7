import inspect

import pytest

from sk_emotion import exceptions

ERRORS = [
    value
    for value in vars(exceptions).values()
    if inspect.isclass(value)
    and issubclass(value, exceptions.SkEmotionError)
    and value is not exceptions.SkEmotionError
]


@pytest.mark.parametrize("error", ERRORS)
def test_each_error_is_a_built_in_kind_too(error):
    assert issubclass(error, ValueError | RuntimeError | ImportError)
    assert inspect.getdoc(error)


def test_what_is_missing_is_also_a_file_not_found_error():
    assert issubclass(exceptions.DatasetNotFoundError, FileNotFoundError)
