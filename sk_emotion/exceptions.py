"""Errors and warnings of sk_emotion.

Each error is also the built-in error that scikit-learn would raise, so that ``except ValueError`` goes on working.
"""


class SkEmotionError(Exception):
    """Base class of every error that sk_emotion raises on purpose."""


class ParameterError(SkEmotionError, ValueError):
    """A parameter or setting has a value that cannot be used, or that does not go with another one."""


class DatasetError(SkEmotionError, ValueError):
    """A folder, table or file does not hold a labeled set of faces."""


class DatasetNotFoundError(DatasetError, FileNotFoundError):
    """A folder, table or file of faces does not exist."""


class ImageReadError(SkEmotionError, ValueError):
    """A picture cannot be read."""


class FaceNotFoundError(SkEmotionError, ValueError):
    """No face was seen in a picture, and ``on_missing="raise"`` asked to be told."""


class ImageArrayError(SkEmotionError, ValueError):
    """An array does not hold images as sk_emotion takes them, or not those that the estimator was fitted on."""


class ImageSizeError(ImageArrayError):
    """A network cannot take images of this size."""


class TrainingError(SkEmotionError, RuntimeError):
    """A training cannot go on, because its loss is not finite, say."""


class CheckpointError(TrainingError):
    """A checkpoint cannot be written, or none of those that are there can be read."""


class LabelError(SkEmotionError, ValueError):
    """Labels cannot be used: one class alone, say, or a class that is not there."""


class ModelFileError(SkEmotionError, ValueError):
    """A model cannot be written to a file, or a file holds no model that may be loaded."""


class ModelNotFoundError(ModelFileError, FileNotFoundError):
    """A model file, or the folder where it is to be written, does not exist."""


class FileWriteError(SkEmotionError, OSError):
    """A file cannot be written, because the disk is full, say; a file that was there before is as it was."""


class OutOfMemoryError(SkEmotionError, MemoryError):
    """What was asked for needs more memory than there is: images of an enormous size, say."""


class MissingDependencyError(SkEmotionError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


class DatasetWarning(UserWarning):
    """Data is not what it should be: files left out, copies on both sides of a split, few faces; and which."""


class CheckpointWarning(UserWarning):
    """A damaged checkpoint was passed over, or another process trains the same."""
