import inspect

import pytest

from sk_emotion import exceptions
from sk_emotion.exceptions import SkEmotionError

BUILT_IN = {
    "CheckpointError": RuntimeError,
    "DatasetError": ValueError,
    "DatasetNotFoundError": FileNotFoundError,
    "FaceNotFoundError": ValueError,
    "FileWriteError": OSError,
    "ImageArrayError": ValueError,
    "ImageReadError": ValueError,
    "ImageSizeError": ValueError,
    "LabelError": ValueError,
    "MissingDependencyError": ImportError,
    "ModelFileError": ValueError,
    "ModelNotFoundError": FileNotFoundError,
    "OutOfMemoryError": MemoryError,
    "ParameterError": ValueError,
    "TrainingError": RuntimeError,
}
ERRORS = [
    value
    for _, value in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(value, SkEmotionError) and value is not SkEmotionError
]
WARNINGS = [exceptions.CheckpointWarning, exceptions.DatasetWarning]


def test_all_errors_are_listed_here():
    assert [error.__name__ for error in ERRORS] == sorted(BUILT_IN)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("by", ["own name", "base class", "built-in kind"])
def test_error_can_be_caught_as_its_built_in_kind(error, by):
    kind = {"own name": error, "base class": SkEmotionError, "built-in kind": BUILT_IN[error.__name__]}[by]
    with pytest.raises(kind, match="what to do"):
        raise error("what to do")


@pytest.mark.parametrize("error", [SkEmotionError, *ERRORS, *WARNINGS])
def test_errors_and_warnings_have_a_docstring(error):
    assert error.__doc__


def test_warnings_are_user_warnings():
    assert all(issubclass(warning, UserWarning) for warning in WARNINGS)
