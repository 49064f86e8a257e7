"""Errors and warnings of sk_emotion.

Each error also subclasses the built-in error that scikit-learn would raise, so that ``except ValueError`` works.
"""


class _Printable:
    """Escape bytes of file names that are not UTF-8 in messages, since no stream accepts them."""

    def __str__(self) -> str:
        return super().__str__().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class SkEmotionError(_Printable, Exception):
    """Base class of the errors of sk_emotion."""


class ParameterError(SkEmotionError, ValueError):
    """Raised if a parameter or setting is invalid, or incompatible with another one."""


class DatasetError(SkEmotionError, ValueError):
    """Raised if a folder, table or file is not a labeled set of faces."""


class DatasetNotFoundError(DatasetError, FileNotFoundError):
    """Raised if a folder, table or file of faces does not exist."""


class ImageReadError(SkEmotionError, ValueError):
    """Raised if an image cannot be read."""


class FaceNotFoundError(SkEmotionError, ValueError):
    """Raised if no face is detected in an image and ``on_missing="raise"``."""


class ImageArrayError(SkEmotionError, ValueError):
    """Raised if an array is not a batch of images, or does not match the images in `fit`."""


class ImageSizeError(ImageArrayError):
    """Raised if a network does not support the size of the images."""


class TrainingError(SkEmotionError, RuntimeError):
    """Raised if training cannot continue, for example because the loss is not finite."""


class CheckpointError(TrainingError):
    """Raised if a checkpoint cannot be written, or if no existing checkpoint can be read."""


class LabelError(SkEmotionError, ValueError):
    """Raised if labels are invalid, for example if there is a single class."""


class ModelFileError(SkEmotionError, ValueError):
    """Raised if a model cannot be saved, or if a file does not contain a model that may be loaded."""


class ModelNotFoundError(ModelFileError, FileNotFoundError):
    """Raised if a model file, or the folder to save it in, does not exist."""


class FileWriteError(SkEmotionError, OSError):
    """Raised if a file cannot be written, for example because the disk is full; an existing file is unchanged."""


class OutOfMemoryError(SkEmotionError, MemoryError):
    """Raised if an operation needs more memory than is available, for example for huge images."""


class MissingDependencyError(SkEmotionError, ImportError):
    """Raised if an optional package is not installed; the message names the extra to install."""


class DatasetWarning(_Printable, UserWarning):
    """Warning about problems of the data: files left out, copies on both sides of a split, too few faces."""


class CheckpointWarning(_Printable, UserWarning):
    """Warning that a damaged checkpoint was skipped, or that another process runs the same training."""
