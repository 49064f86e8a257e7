"""Baseline pipelines to compare networks with."""

import os
from collections.abc import Callable
from typing import Any, Literal

from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# This is also the minimum number of images per class.
_CALIBRATION_FOLDS = 3


def make_hog_svm(
    *,
    image_size: int | tuple[int, int] = 48,
    orientations: int = 8,
    pixels_per_cell: tuple[int, int] = (8, 8),
    cells_per_block: tuple[int, int] = (2, 2),
    solver: Literal["least_squares", "libsvm"] = "least_squares",
    C: float = 10.0,
    gamma: float | str = "scale",
    class_weight: Any = None,
    probability: bool = True,
    color: bool = False,
    detector: str | Callable[..., Any] | None = "centerface",
    cache: str | os.PathLike[str] | None = None,
    random_state: int | None = None,
) -> Pipeline:
    """Make the classic baseline: face loading, HOG features, scaling, and a support vector machine.

    HOG features with an SVM [1]_ are the baseline that a network should beat.

    Parameters
    ----------
    image_size : int or (int, int), default=48
        Height and width of the faces in pixels.
    orientations, pixels_per_cell, cells_per_block : int, (int, int), (int, int)
        Parameters of :class:`HOGTransformer`, as in :func:`skimage.feature.hog`.
    solver : {"least_squares", "libsvm"}, default="least_squares"
        The support vector machine: :class:`LeastSquaresSVC`, or :class:`sklearn.svm.SVC`, which is much slower on
        thousands of images.
    C : float, default=10.0
        Inverse regularization strength of the SVM.
    gamma : {"scale", "auto"} or float, default="scale"
        Coefficient of the RBF kernel.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the SVM.
    probability : bool, default=True
        Whether to calibrate probabilities: with leave-one-out predictions, which take hardly any time, or, for libsvm,
        by 3-fold cross-validation, which needs three images per class and about three times as long.
    color : bool, default=False
        Whether to compute HOG features of color images: each pixel uses the channel with the strongest gradient.
    detector : {"centerface"}, callable or None, default="centerface"
        Face detector of :class:`FaceLoader`. None uses the whole image.
    cache : str or path, default=None
        Folder in which :class:`FaceLoader` caches faces, so that a search or another pipeline does not load a photo
        twice.
    random_state : int or None, default=None
        Seed of the shuffling before the calibration folds of libsvm; None does not shuffle. Not used by
        ``"least_squares"``.

    Returns
    -------
    sklearn.pipeline.Pipeline
        With steps ``faceloader``, ``hogtransformer``, ``standardscaler`` and ``svc``, for parameter grids with
        ``"hogtransformer__orientations"`` and ``"svc__C"`` (``"svc__estimator__C"`` for libsvm with `probability`).

    Raises
    ------
    ValueError
        If `solver` is not one of the two.

    See Also
    --------
    LeastSquaresSVC : The support vector machine.
    compare_classifiers : Compare it with a network, fold by fold.

    Notes
    -----
    Scores with C=10 and gamma="scale", on 3,858 images of FER2013 without copies in the training set, and in
    cross-validation on 899 web photos of six emotions (2 x 5 folds, grouped by near-duplicates; one thread):

    ===============================  ========  ========  ========  ========  =======
    trained on                       accuracy  macro F1  ROC AUC   log loss  fit (s)
    ===============================  ========  ========  ========  ========  =======
    FER2013, 5,000: least squares    0.444     0.360     0.758     1.489     5
    FER2013, 5,000: libsvm           0.425     0.337     0.737     1.545     27
    FER2013, 10,000: least squares   0.471     0.405     0.788     1.422     11
    FER2013, 10,000: libsvm          0.452     0.393     0.763     1.496     211
    web photos: least squares        0.344     0.335     0.684     1.619
    web photos: libsvm               0.334     0.314     0.669     1.648
    ===============================  ========  ========  ========  ========  =======

    Without calibration, the labels of libsvm reach 0.350 and 0.343 on the web photos. Between 1 and 30, C hardly
    matters. Twice the gamma of "scale" adds half a point of accuracy on FER2013 and 0.01 ROC AUC on both, and costs
    0.01 macro F1 on the web photos; smaller cells and the square root of pixels add about a point.

    Neither calibration takes groups into account, since scikit-learn does not pass groups to it. Probabilities may
    therefore be overconfident if several images show the same person; the SVM itself is not affected.

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
    from .svm import LeastSquaresSVC

    svm: Any
    if solver == "least_squares":
        svm = LeastSquaresSVC(C=C, gamma=gamma, class_weight=class_weight, probability=probability)
    elif solver == "libsvm":
        svm = SVC(C=C, gamma=gamma, class_weight=class_weight)
    else:
        raise ValueError(f'make_hog_svm: solver={solver!r}, expected "least_squares" or "libsvm".')
    if solver == "libsvm" and probability:
        folds = StratifiedKFold(_CALIBRATION_FOLDS, shuffle=random_state is not None, random_state=random_state)
        svm = CalibratedClassifierCV(svm, ensemble=False, cv=folds)
    return Pipeline(
        [
            ("faceloader", FaceLoader(image_size=image_size, color=color, detector=detector, cache=cache)),
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
