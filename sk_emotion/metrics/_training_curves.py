"""Learning curves over epochs."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from .._reports._charts import COLORS, finish_axes, prepare_axes
from ..preprocessing._pipelines import find_last_step

# Panel titles, and the suffixes of the columns that each shows.
_PANELS = {"loss": "loss", "accuracy": "acc", "macro F1": "f1_macro"}
_PARTS = {"train": ("training", COLORS[0], "-"), "valid": ("validation", COLORS[1], "--")}


class TrainingCurves:
    """Loss, accuracy, macro F1 and learning rate of a network over epochs.

    Use :meth:`from_estimator` or :meth:`from_history`.

    Parameters
    ----------
    history : sequence of dict
        One entry per epoch, as in ``EmotionClassifier.history_``.

    Attributes
    ----------
    history : DataFrame
        One row per epoch, with ``epoch`` counted from 1.
    best_epoch : int or None
        Epoch of the lowest validation loss; None without a validation set.
    axes : ndarray of matplotlib Axes of shape (4,)
        After :meth:`plot`: loss, accuracy, macro F1, learning rate.
    figure : matplotlib Figure
        After :meth:`plot`.

    See Also
    --------
    EmotionReport : Scores on a test set.

    Notes
    -----
    Training scores are computed on augmented images, with dropout, while the weights change during the epoch, and the
    training loss includes label smoothing. The validation curve may therefore be the better one: its turning point,
    not the distance between the curves, indicates overfitting.

    Examples
    --------
    >>> from sk_emotion import EmotionClassifier, TrainingCurves, make_faces, networks
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], image_size=24, random_state=0)
    >>> clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=2, validation_fraction=0.2, random_state=0)
    >>> curves = TrainingCurves.from_estimator(clf.fit(X, y))
    >>> len(curves.history)
    2
    """

    def __init__(self, history: Sequence[dict[str, Any]]):
        if not len(history):
            raise ValueError("TrainingCurves: history is empty. Pass clf.history_ of a fitted classifier.")
        self.history = pd.DataFrame(history).assign(epoch=range(1, len(history) + 1))
        losses = self.history.get("valid_loss")
        self.best_epoch = None if losses is None else int(self.history["epoch"][losses.argmin()])

    @classmethod
    def from_estimator(cls, estimator: Any, *, axes: Any = None) -> "TrainingCurves":
        """Plot the training history of a classifier.

        Parameters
        ----------
        estimator : EmotionClassifier, Pipeline or search
            Fitted estimator whose last step is an EmotionClassifier.
        axes : sequence of 4 matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        Returns
        -------
        TrainingCurves

        Raises
        ------
        TypeError
            If the classifier has no ``history_``.
        """
        classifier = find_last_step(estimator)
        check_is_fitted(classifier)
        if not hasattr(classifier, "history_"):
            raise TypeError(
                f"TrainingCurves: {type(classifier).__name__} has no history_, expected an EmotionClassifier, or a "
                "pipeline or search that ends in one."
            )
        return cls(classifier.history_).plot(axes)

    @classmethod
    def from_history(cls, history: Sequence[dict[str, Any]], *, axes: Any = None) -> "TrainingCurves":
        """Plot a training history.

        Parameters
        ----------
        history : sequence of dict
            One entry per epoch, as in ``EmotionClassifier.history_``.
        axes : sequence of 4 matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        Returns
        -------
        TrainingCurves
        """
        return cls(history).plot(axes)

    def plot(self, axes: Any = None) -> "TrainingCurves":
        """Plot the curves.

        Parameters
        ----------
        axes : sequence of 4 matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        Returns
        -------
        self : TrainingCurves
        """
        self.axes = prepare_axes("TrainingCurves", axes, (13, 3.2), (1, 4))
        self.figure = self.axes[0].figure
        for ax, (title, ending) in zip(self.axes, _PANELS.items(), strict=False):
            self._draw_scores(ax, title, ending)
        if "lr" in self.history:
            self.axes[3].plot(self.history["epoch"], self.history["lr"], color=COLORS[2], **self._markers())
        self.axes[3].set_title("learning rate")
        for ax in self.axes:
            ax.set_xlabel("epoch")
            ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            finish_axes(ax, color="0.9")
        return self

    def _draw_scores(self, ax: Any, title: str, ending: str) -> None:
        for part, (label, color, style) in _PARTS.items():
            values = self.history.get(f"{part}_{ending}")
            if values is not None:
                line = {"color": color, "linestyle": style, "label": label} | self._markers()
                ax.plot(self.history["epoch"], values, **line)
        if title == "loss" and self.best_epoch is not None:
            label = f"lowest: epoch {self.best_epoch}"
            ax.axvline(self.best_epoch, color="0.6", linewidth=1, linestyle=":", label=label)
        if title != "loss":
            ax.set_ylim(0, 1.02)
        ax.set_title(title)
        if ax.has_data():
            ax.legend(frameon=False, fontsize="small")

    def _markers(self) -> dict[str, Any]:
        """Mark the epochs of short histories: a line through a single point is invisible."""
        return {"marker": "o", "markersize": 3} if len(self.history) < 12 else {}
