"""What a model file may name, by kind of node, and which networks it may build.

skops trusts a name in any kind of node, and would also call classes and functions with arguments from the file. Nothing
on this list runs code or opens files when it is built. Decision trees and k-d trees are excluded, as in skops, since
forged ones crash the process; so is scipy.stats, which evaluates strings. Sorted by module; if a package moves a class,
add the new name.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_parameter_constraints

from ._checks import MalformedError, name_node
from ._files import escape

_OBJECTS = {
    "imblearn.combine._smote_enn": "SMOTEENN",
    "imblearn.combine._smote_tomek": "SMOTETomek",
    "imblearn.over_sampling._adasyn": "ADASYN",
    "imblearn.over_sampling._random_over_sampler": "RandomOverSampler",
    "imblearn.over_sampling._smote.base": "SMOTE SMOTEN SMOTENC",
    "imblearn.over_sampling._smote.cluster": "KMeansSMOTE",
    "imblearn.over_sampling._smote.filter": "BorderlineSMOTE SVMSMOTE",
    "imblearn.pipeline": "Pipeline",
    "imblearn.under_sampling._prototype_selection._edited_nearest_neighbours": "EditedNearestNeighbours",
    "imblearn.under_sampling._prototype_selection._random_under_sampler": "RandomUnderSampler",
    "imblearn.under_sampling._prototype_selection._tomek_links": "TomekLinks",
    "sk_emotion.augmentation": "FaceAugmentation",
    "sk_emotion.classifier": "EmotionClassifier",
    "sk_emotion.feature_extraction._hog": "HOGTransformer",
    "sk_emotion.model_selection._consolidated": "ConsolidatedClassifier",
    "sk_emotion.svm": "LeastSquaresSVC",
    "sk_emotion.networks._external": "TimmNetwork TorchNetwork TorchvisionNetwork",
    "sk_emotion.networks._resnet": "ResNet",
    "sk_emotion.networks._vgg": "VGG",
    "sk_emotion.over_sampling._augmentation": "AugmentationOverSampler",
    "sk_emotion.preprocessing._face_loader": "FaceLoader",
    "sk_emotion.pretrained._embedding": "FaceEmbedding",
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels": "CompoundKernel ConstantKernel Matern Product RBF Sum WhiteKernel",
    "sklearn.metrics._scorer": "_CurveScorer _MultimetricScorer _PassthroughScorer _Scorer",
    "sklearn.model_selection._split": "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut "
    "LeavePGroupsOut LeavePOut PredefinedSplit RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold "
    "StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit",
    "sklearn.multiclass": "_ConstantPredictor",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
}
_FUNCTIONS = {
    "sk_emotion.metrics._operating_point": "score_sensitivity",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif",
    "sklearn.metrics._classification": "accuracy_score balanced_accuracy_score brier_score_loss d2_brier_score "
    "d2_log_loss_score f1_score jaccard_score log_loss matthews_corrcoef precision_score recall_score",
    "sklearn.metrics._ranking": "average_precision_score roc_auc_score top_k_accuracy_score",
    "sklearn.metrics._scorer": "negative_likelihood_ratio positive_likelihood_ratio",
}
_TYPES = {
    "sklearn.model_selection._split": "KFold StratifiedKFold",
    "torch.nn.modules.loss": "CrossEntropyLoss MultiMarginLoss",
    **{
        f"torch.optim.{name.lower()}": name
        for name in ("Adagrad", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD")
    },
}
_CALLS = {
    "builtins": "frozenset range",
    "pathlib": "PosixPath WindowsPath",
    "pathlib._local": "PosixPath WindowsPath",
    "torch": "device",
}
_MATRICES = {"scipy.sparse._csc": "csc_array csc_matrix", "scipy.sparse._csr": "csr_array csr_matrix"}
TRUSTED = {
    kind: {f"{module}.{name}" for module, group in names.items() for name in group.split()}
    for kind, names in {
        "ObjectNode": _OBJECTS,
        "FunctionNode": _FUNCTIONS,
        "TypeNode": _TYPES,
        "ConstructorFromReduceNode": _CALLS,
        "DictNode": {"sklearn.utils._bunch": "Bunch"},
        "DTypeNode": {"numpy": "dtype"},
        "SparseMatrixNode": _MATRICES,
    }.items()
}
ALL_TRUSTED = set[str]().union(*TRUSTED.values())
"""Names of all kinds."""

NETWORKS = {name for name in TRUSTED["ObjectNode"] if name.startswith("sk_emotion.networks.")}

_OTHER_KINDS = "Bytes Json List Loss MaskedArray NdArray RandomState Set Slice Tuple"
KINDS = {*TRUSTED, *(f"{kind}Node" for kind in _OTHER_KINDS.split())}
"""Kinds of nodes for which the trust of skops suffices. Others, such as NumPy generators, may allocate gigabytes."""

CLASSIFIER = "sk_emotion.classifier.EmotionClassifier"
_OWN_NETWORK = "sk_emotion.networks._external.TorchNetwork"

# Parameters of networks that are strings; all others are numbers.
_TEXTS = ("name", "pretrained", "weights")

# Overhead in bytes of each tensor, and memory that any file may use.
_COST_OF_TENSOR = 4_000
_ALLOWANCE = 10_000_000

# Some networks discard layers while they are built.
_SLACK = 2

# skorch keeps at least half a kilobyte per epoch.
_MAX_EPOCHS = 50_000

# State of the net, and the name under which it is deferred until all attributes are known.
_NET, _DEFERRED = "net_state", "deferred_net_state"


def defer_nets(nodes: Iterable[dict[str, Any]]) -> set[str]:
    """Defer building the nets of classifiers; return the names of networks that are not from this package."""
    builders = set()
    for node in nodes:
        if node["__loader__"] != "ObjectNode" or name_node(node) not in (CLASSIFIER, _OWN_NETWORK):
            continue
        parts = node["content"]["content"]
        if name_node(node) == _OWN_NETWORK:
            builders.add(name_node(parts["module"]))
        elif _NET in parts:
            builders.add(name_node(parts["network_"]))
            if "__id__" not in node:
                raise MalformedError("its EmotionClassifier has no node number")
            node["content"]["content"] = {_DEFERRED if key == _NET else key: part for key, part in parts.items()}
    return builders - NETWORKS


def build_nets(classifiers: Iterable[Any], sizes: list[int], trusted: set[str], *, limited: bool) -> None:
    """Check the state of nets deferred by :func:`defer_nets` and build them.

    `sizes` are those of the arrays in bytes; if `limited`, networks may not have more weights than the file.
    """
    deferred = [clf for clf in classifiers if _DEFERRED in vars(clf)]
    for clf in deferred:
        _check_state(clf, trusted)
    with _limit_network_size(_SLACK * sum(sizes) + _ALLOWANCE) if deferred and limited else nullcontext():
        for clf in deferred:
            net_state = vars(clf).pop(_DEFERRED)
            clf.__setstate__({**vars(clf), _NET: net_state})


@contextmanager
def _limit_network_size(left: int) -> Iterator[None]:
    """Raise an error if this thread builds networks with more bytes of weights than `left`."""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    thread = threading.get_ident()

    def count(_module: Any, _name: str, weight: Any) -> None:
        nonlocal left
        if weight is not None and threading.get_ident() == thread:
            left -= weight.numel() * weight.element_size() + _COST_OF_TENSOR
            if left < 0:
                raise MalformedError("its network has more weights than the file")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _check_state(clf: Any, trusted: set[str]) -> None:
    """Check the parameters and fitted attributes with which a net is built."""
    from torch.nn.modules.loss import _Loss
    from torch.optim import Optimizer

    state = vars(clf)
    params = {name: state[name] for name in clf._parameter_constraints if name in state}
    validate_parameter_constraints(clf._parameter_constraints, params, caller_name="EmotionClassifier")
    if not _names(clf.network_) & (trusted | {_OWN_NETWORK}):
        for name, value in vars(clf.network_).items():
            if not isinstance(value, str if name in _TEXTS else Real) and value is not None:
                raise MalformedError(f"its network has {escape(name, 50)}={escape(value, 50)}")
    for name, fits in {
        "callbacks": not clf.callbacks,
        "classes_": isinstance(clf.classes_, np.ndarray) and clf.classes_.ndim == 1,
        "criterion": isinstance(clf.criterion, str)
        or _names(clf.criterion) & trusted
        or (isinstance(clf.criterion, type) and issubclass(clf.criterion, _Loss)),
        "history_": isinstance(clf.history_, list)
        and len(clf.history_) <= _MAX_EPOCHS
        and all(type(epoch) is dict for epoch in clf.history_),
        "image_shape_": all(isinstance(size, int | np.integer) and 0 < size < 1 << 16 for size in clf.image_shape_),
        "optimizer": isinstance(clf.optimizer, str)
        or _names(clf.optimizer) & trusted
        or (isinstance(clf.optimizer, type) and issubclass(clf.optimizer, Optimizer)),
    }.items():
        if not fits:
            raise MalformedError(f"its EmotionClassifier has an invalid {name}")


def _names(value: Any) -> set[str]:
    """Return the names by which a value or its type can be trusted."""
    owners = (value, type(value))
    return {f"{owner.__module__}.{owner.__qualname__}" for owner in owners if hasattr(owner, "__qualname__")}
