"""Parameters of a classifier that are passed on to a class built in `fit`, such as ``criterion__gamma``."""

import inspect
from typing import Any

from sklearn.base import BaseEstimator

from ..augmentation import FaceAugmentation
from ..exceptions import ParameterError
from ..networks import ResNet
from ..utils._estimators import put_defaults

# Parameters that may be a class.
_CLASSES = ("criterion", "network")


class ParametersOfClasses(BaseEstimator):
    """Base class of EmotionClassifier: parameters of a class are attributes under their full name, as in skorch."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # For scikit-learn, every name in the signature is a parameter, but `params` holds parameters.
        parameters = inspect.signature(cls.__init__).parameters.values()
        named = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
        cls.__signature__ = inspect.Signature(named[1:])

    def get_params(self, deep=True):
        """Get parameters, including those passed on to classes, such as ``criterion__gamma``.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the network specification and other nested objects.

        Returns
        -------
        dict
            Parameter names and values.
        """
        passed_on = {name: value for name, value in self.__dict__.items() if _is_passed_on(name, self.__dict__)}
        return {**super().get_params(deep), **passed_on}

    def set_params(self, **params):
        """Set parameters, including ``criterion__...``, ``network__...`` and ``augmentation__...`` of the defaults.

        A new `criterion` or `network` does not keep the parameters of the previous class.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : EmotionClassifier
        """
        params = put_defaults(self, params, {"network": (None, ResNet), "augmentation": ("default", FaceAugmentation)})
        future = {**self.__dict__, **params}
        passed_on = {name: value for name, value in params.items() if _is_passed_on(name, future)}
        others = {name: value for name, value in params.items() if name not in passed_on}
        refused = [name for name in others if name.startswith("criterion__")]
        if refused and not hasattr(future["criterion"], "set_params"):
            raise ParameterError(
                f"Invalid parameter {refused[0]!r} for criterion={future['criterion']!r}, which is not a class."
            )
        replaced = tuple(
            f"{part}__" for part in _CLASSES if params.get(part, self.__dict__[part]) is not self.__dict__[part]
        )
        try:
            super().set_params(**others)
        except AttributeError as error:
            # Elements of a list or dict cannot be set by name.
            raise ParameterError(
                f"EmotionClassifier: {', '.join(name for name in others if '__' in name)} cannot be set individually "
                f"({error}). Pass the whole parameter, as in callbacks=[EarlyStopping(patience=3)]."
            ) from error
        for name in [name for name in self.__dict__ if name.startswith(replaced)]:
            delattr(self, name)
        self.__dict__.update(passed_on)
        return self

    def _set_passed_on(self, params: dict[str, Any]) -> None:
        """Set the parameters of classes that were passed to ``__init__``, after `criterion` and `network`."""
        for name in params:
            if not _is_passed_on(name, self.__dict__):
                raise TypeError(
                    f"EmotionClassifier.__init__() got an unexpected keyword argument {name!r}. Names such as "
                    "criterion__gamma and network__width are accepted if criterion or network is a class."
                )
        self.__dict__.update(params)


def list_passed_on(clf: Any, part: str) -> dict[str, Any]:
    """Return the parameters of `clf` that are passed on to the class `part`, without the prefix."""
    params = vars(clf)
    return {
        name.removeprefix(f"{part}__"): value
        for name, value in params.items()
        if name.startswith(f"{part}__") and _is_passed_on(name, params)
    }


def _is_passed_on(name: str, params: dict[str, Any]) -> bool:
    part, _, rest = name.partition("__")
    return bool(rest) and part in _CLASSES and isinstance(params[part], type)
