"""A confusion matrix that shows counts and row shares."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from .._reports._axes import literal

# More or longer names than this would overlap below the matrix.
_MAX_HORIZONTAL_NAMES, _MAX_HORIZONTAL_LETTERS = 3, 14
_INCHES_PER_LETTER = 0.12
_ROTATION = 35

_NORMALIZED = {"true": "Share of the true class", "pred": "Share of the predicted class", "all": "Share of all images"}


class ConfusionMatrixDisplay(metrics.ConfusionMatrixDisplay):
    """Confusion matrix that shows counts and shares of the true class.

    Same parameters and attributes as scikit-learn's. Cells are colored by share, so that rare classes are as visible as
    frequent ones.

    Use :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    confusion_matrix : ndarray of shape (n_classes, n_classes)
        Counts or sums of weights: true classes in rows, predicted classes in columns. A normalized matrix is shown
        unchanged.
    display_labels : array-like of shape (n_classes,), default=None
        Names of the classes; by default their numbers.

    Attributes
    ----------
    im_ : matplotlib AxesImage
    text_ : ndarray of shape (n_classes, n_classes) of matplotlib Text, or None
        None without values.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : Colored by count.
    EmotionReport : Plots it beside the scores of each class.

    Examples
    --------
    >>> from sk_emotion import ConfusionMatrixDisplay
    >>> display = ConfusionMatrixDisplay.from_predictions(["fear", "pain", "pain"], ["fear", "pain", "fear"])
    >>> display.text_[1, 0].get_text().split()
    ['1', '50%']
    """

    def plot(
        self,
        *,
        include_values: bool = True,
        cmap: Any = "Blues",
        xticks_rotation: Any = "auto",
        values_format: str | None = None,
        ax: Any = None,
        colorbar: bool = False,
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> "ConfusionMatrixDisplay":
        """Plot the matrix.

        Parameters
        ----------
        include_values : bool, default=True
            Whether to show the values of the cells.
        cmap : str or matplotlib Colormap, default="Blues"
            Color map of shares from 0 to 1.
        xticks_rotation : {"auto", "vertical", "horizontal"} or float, default="auto"
            Rotation of the names below the matrix; ``"auto"`` rotates more than three names, or long ones.
        values_format : str, default=None
            Format of the values; by default ``"d"`` for counts, ``".4g"`` for weights and ``".0%"`` for shares.
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.
        colorbar : bool, default=False
            Whether to add a color bar.
        im_kw, text_kw : dict, default=None
            Keyword arguments for ``Axes.imshow`` and ``Axes.text``.

        Returns
        -------
        self : ConfusionMatrixDisplay
        """
        matrix = np.asarray(self.confusion_matrix)
        labels = [
            literal(name) for name in (range(len(matrix)) if self.display_labels is None else self.display_labels)
        ]
        longest = max(map(len, labels), default=0)
        if ax is None:
            import matplotlib.pyplot as plt

            side = max(4.0, 1.5 + 0.7 * len(matrix)) + _INCHES_PER_LETTER * max(longest - _MAX_HORIZONTAL_LETTERS, 0)
            _, ax = plt.subplots(figsize=(side, side), layout="constrained")
        crowded = len(matrix) > _MAX_HORIZONTAL_NAMES or longest > _MAX_HORIZONTAL_LETTERS
        rotated = xticks_rotation == "auto" and crowded
        rotation = "horizontal" if xticks_rotation == "auto" else xticks_rotation
        super().plot(
            include_values=False,
            cmap=cmap,
            xticks_rotation=_ROTATION if rotated else rotation,
            ax=ax,
            colorbar=False,
            im_kw={"vmin": 0, "vmax": 1, **(im_kw or {})},
        )
        ax.set(xticklabels=labels, yticklabels=labels)
        if rotated:
            for name in ax.get_xticklabels():
                name.set(ha="right", rotation_mode="anchor")
        # scikit-learn colors by count: color by share instead.
        shares = matrix if _holds_shares(matrix) else _share_rows(matrix)
        self.im_.set_data(shares)
        if include_values:
            self._write_values(matrix, shares, values_format, text_kw or {})
        if colorbar:
            # Same height as a square matrix.
            self.figure_.colorbar(self.im_, ax=ax, fraction=0.046, pad=0.04)
        ax.set(xlabel="predicted", ylabel="true")
        if include_values and shares is not matrix:
            ax.set_title("Images, and share of the true class")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        labels: Any = None,
        sample_weight: Any = None,
        normalize: str | None = None,
        display_labels: Any = None,
        include_values: bool = True,
        xticks_rotation: Any = "auto",
        values_format: str | None = None,
        cmap: Any = "Blues",
        ax: Any = None,
        colorbar: bool = False,
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> "ConfusionMatrixDisplay":
        """Plot the confusion matrix of a classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier.
        X : array, list or DataFrame of length n_samples
            Images or paths, as the estimator expects them.
        y : array-like of shape (n_samples,)
            True labels.
        labels, sample_weight, normalize, display_labels
            As for :meth:`from_predictions`.
        include_values, xticks_rotation, values_format, cmap, ax, colorbar, im_kw, text_kw
            As for :meth:`plot`.

        Returns
        -------
        ConfusionMatrixDisplay
        """
        return super().from_estimator(
            estimator,
            X,
            y,
            labels=labels,
            sample_weight=sample_weight,
            normalize=normalize,
            display_labels=display_labels,
            include_values=include_values,
            xticks_rotation=xticks_rotation,
            values_format=values_format,
            cmap=cmap,
            ax=ax,
            colorbar=colorbar,
            im_kw=im_kw,
            text_kw=text_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        labels: Any = None,
        sample_weight: Any = None,
        normalize: str | None = None,
        display_labels: Any = None,
        include_values: bool = True,
        xticks_rotation: Any = "auto",
        values_format: str | None = None,
        cmap: Any = "Blues",
        ax: Any = None,
        colorbar: bool = False,
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> "ConfusionMatrixDisplay":
        """Plot the confusion matrix of predictions.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.
        labels : array-like of shape (n_classes,), default=None
            The classes to show, in this order; by default the sorted labels of `y_true` and `y_pred`.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        normalize : {"true", "pred", "all"}, default=None
            Show shares of the true class, of the predicted class or of all images instead of counts.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes; by default `labels`.
        include_values, xticks_rotation, values_format, cmap, ax, colorbar, im_kw, text_kw
            As for :meth:`plot`.

        Returns
        -------
        ConfusionMatrixDisplay
        """
        display = super().from_predictions(
            y_true,
            y_pred,
            labels=labels,
            sample_weight=sample_weight,
            normalize=normalize,
            display_labels=display_labels,
            include_values=include_values,
            xticks_rotation=xticks_rotation,
            values_format=values_format,
            cmap=cmap,
            ax=ax,
            colorbar=colorbar,
            im_kw=im_kw,
            text_kw=text_kw,
        )
        if normalize is not None:
            display.ax_.set_title(_NORMALIZED[normalize])
        return display

    def _write_values(
        self, matrix: NDArray[Any], shares: NDArray[Any], values_format: str | None, options: dict[str, Any]
    ) -> None:
        counted = values_format or ("d" if matrix.dtype.kind in "iu" else ".4g")
        self.text_ = np.empty(matrix.shape, dtype=object)
        for (row, column), share in np.ndenumerate(shares):
            text = f"{matrix[row, column]:{counted}}\n{share:.0%}"
            if shares is matrix:
                text = f"{share:{values_format or '.0%'}}"
            style = {"ha": "center", "va": "center", "color": self._contrast(share), "fontsize": 8, **options}
            self.text_[row, column] = self.ax_.text(column, row, text, **style)

    def _contrast(self, share: float) -> str:
        """Choose black or white text for legibility on the color of a share."""
        red, green, blue, _ = self.im_.cmap(self.im_.norm(share))
        # Rec. 601 luma: green appears brighter than blue.
        return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _holds_shares(matrix: NDArray[Any]) -> bool:
    return matrix.dtype.kind == "f" and matrix.max(initial=0) <= 1


def _share_rows(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Divide each row by its sum; rows that sum to 0 stay 0."""
    totals = matrix.sum(axis=1, keepdims=True)
    return np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
