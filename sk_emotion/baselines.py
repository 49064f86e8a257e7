"""Ready pipelines to measure a network against."""

from collections.abc import Callable
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# Three folds: the fewest images that a class may then have.
_CALIBRATION_FOLDS = 3


def make_hog_svm(
    *,
    image_size: int | tuple[int, int] = 48,
    orientations: int = 8,
    pixels_per_cell: tuple[int, int] = (8, 8),
    cells_per_block: tuple[int, int] = (2, 2),
    C: float = 10.0,
    gamma: float | str = "scale",
    class_weight: Any = None,
    probability: bool = True,
    color: bool = False,
    detector: str | Callable[..., Any] | None = None,
    random_state: int | None = None,
) -> Pipeline:
    """Make the classic pipeline: picture, HOG features [1]_, scaling, support vector machine.

    Parameters
    ----------
    image_size : int or (int, int), default=48
        Height and width of the face that HOG sees, in pixels.
    orientations, pixels_per_cell, cells_per_block : int, (int, int), (int, int)
        Of :class:`HOGTransformer`, as in :func:`skimage.feature.hog`.
    C : float, default=10.0
        Inverse strength of the regularisation of the SVM.
    gamma : {"scale", "auto"} or float, default="scale"
        Width of its RBF kernel.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the SVM.
    probability : bool, default=True
        Whether to calibrate probabilities, on held-out thirds of the training set. Each class then needs three
        images, and fitting takes about three times as long.
    color : bool, default=False
        Whether HOG looks at colour images: at each pixel, it takes the channel with the strongest gradient.
    detector : {"lbp"}, callable or None, default=None
        Face detector of :class:`FaceLoader`. None takes the whole picture.
    random_state : int or None, default=None
        Seeds which images fall into which third. None keeps their order.

    Returns
    -------
    sklearn.pipeline.Pipeline
        With steps ``faceloader``, ``hogtransformer``, ``standardscaler`` and ``svc``, so that a grid may hold
        ``"hogtransformer__orientations"`` and ``"svc__estimator__C"`` (``"svc__C"`` without `probability`).

    See Also
    --------
    compare_classifiers : Compare it with a network, fold by fold.

    Notes
    -----
    The thirds of the calibration are stratified, but do not follow groups: scikit-learn hands none on to them. This
    bears on the probabilities, not on the SVM, which is trained on the whole training set.

    References
    ----------
    .. [1] Dalal, N., & Triggs, B. (2005). Histograms of oriented gradients for human detection. CVPR.

    Examples
    --------
    >>> from sk_emotion import make_faces, make_hog_svm
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> make_hog_svm().fit(X, y).predict_proba(X[:2]).shape
    (2, 2)
    """
    from .feature_extraction import HOGTransformer
    from .preprocessing import FaceLoader

    svm: Any = SVC(C=C, gamma=gamma, class_weight=class_weight)
    if probability:
        folds = StratifiedKFold(_CALIBRATION_FOLDS, shuffle=random_state is not None, random_state=random_state)
        svm = CalibratedClassifierCV(svm, ensemble=False, cv=folds)
    return Pipeline(
        [
            ("faceloader", FaceLoader(image_size=image_size, color=color, detector=detector)),
            (
                "hogtransformer",
                HOGTransformer(
                    orientations=orientations, pixels_per_cell=pixels_per_cell, cells_per_block=cells_per_block
                ),
            ),
            ("standardscaler", StandardScaler()),
            ("svc", svm),
        ]
    )
