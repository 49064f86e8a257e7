"""Names that a model file may use, by kind of node.

skops trusts a name in any kind of node, and would also call classes and functions with arguments from the file. Nothing
on this list runs code or opens files when it is built. Decision trees and k-d trees are excluded, as in skops, since
forged ones crash the process; so is scipy.stats, which evaluates strings. Sorted by module; if a package moves a class,
add the new name.
"""

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
    "torch.optim.adagrad": "Adagrad",
    "torch.optim.adam": "Adam",
    "torch.optim.adamax": "Adamax",
    "torch.optim.adamw": "AdamW",
    "torch.optim.nadam": "NAdam",
    "torch.optim.radam": "RAdam",
    "torch.optim.rmsprop": "RMSprop",
    "torch.optim.sgd": "SGD",
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

KINDS = {
    *TRUSTED,
    *("BytesNode", "JsonNode", "ListNode", "LossNode", "MaskedArrayNode", "NdArrayNode", "RandomStateNode", "SetNode"),
    *("SliceNode", "TupleNode"),
}
"""Kinds of nodes for which the trust of skops suffices. Others, such as NumPy generators, may allocate gigabytes."""
