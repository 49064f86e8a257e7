"""The network is trained on the loss that `criterion` names, builds or computes."""

import functools
import pickle

import numpy as np
import pytest
import torch
from failing import InterruptAt
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn
from torch.nn import functional

from sk_emotion import EmotionClassifier, FaceLoader, load_model, make_faces, networks, save_model
from sk_emotion.exceptions import ModelFileError, ParameterError, TrainingError

pytestmark = pytest.mark.training(quick=True)

X, Y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=24, random_state=0)
WEIGHT = np.linspace(0.2, 1.8, len(X))


def perceptron(in_channels, n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(24 * 24 * in_channels, n_classes))


class FocalLoss(nn.Module):
    """Cross-entropy, multiplied by a power of the probability of an error."""

    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, codes):
        losses = functional.cross_entropy(logits, codes, reduction="none")
        return (1 - torch.exp(-losses)) ** self.gamma * losses


class LearnedTemperature(nn.Module):
    """Cross-entropy of scaled logits; the scale is trained, and batches are counted."""

    def __init__(self, start=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(start)))
        self.register_buffer("n_batches", torch.tensor(0.0))

    def forward(self, logits, codes):
        self.n_batches += self.training
        return functional.cross_entropy(self.scale * logits, codes, reduction="none")


class WithClassWeights(nn.CrossEntropyLoss):
    """Cross-entropy with class weights in a buffer."""

    def __init__(self, weights, reduction="mean"):
        super().__init__(torch.tensor(weights), reduction=reduction)


def cross_entropy(logits, codes):
    return functional.cross_entropy(logits, codes, reduction="none")


def mean_cross_entropy(logits, codes):
    return functional.cross_entropy(logits, codes)


def make_classifier(**settings):
    defaults = {"network": networks.TorchNetwork(perceptron), "batch_size": 8, "max_epochs": 2, "random_state": 0}
    defaults |= {"augmentation": None, "learning_rate": 0.01, "precision": "fp32"}
    return EmotionClassifier(**defaults | settings)


def probabilities(sample_weight=None, **settings):
    return make_classifier(**settings).fit(X, Y, sample_weight).predict_proba(X)


def assert_same(one, other):
    np.testing.assert_array_equal(one, other)


def assert_different(one, other):
    assert np.abs(one - other).max() > 1e-4


@pytest.mark.parametrize("sample_weight", [None, WEIGHT], ids=["equal weights", "weighted"])
@pytest.mark.parametrize(
    "settings",
    [
        {"criterion": nn.CrossEntropyLoss},
        {"criterion": nn.CrossEntropyLoss(reduction="none")},
        {"criterion": cross_entropy},
        {"criterion": functools.partial(functional.cross_entropy, reduction="none")},
        {"criterion": FocalLoss, "criterion__gamma": 0.0},
        {"criterion": FocalLoss(0.0)},
    ],
    ids=["class", "instance", "function", "partial", "custom class", "custom instance"],
)
@pytest.mark.parametrize("training", [{}, {"class_weight": {"pain": 3, "happiness": 1}, "ema": 0.5}], ids=["", "more"])
def test_cross_entropy_in_any_form_trains_the_same_network(settings, sample_weight, training):
    expected = probabilities(sample_weight, label_smoothing=0, **training)
    assert_same(probabilities(sample_weight, **settings, **training), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"criterion": FocalLoss},
        {"criterion": FocalLoss, "criterion__gamma": 1.0},
        {"criterion": nn.MultiMarginLoss},
        {"criterion": nn.CrossEntropyLoss, "criterion__label_smoothing": 0.3},
    ],
)
def test_another_loss_trains_another_network(settings):
    assert_different(probabilities(**settings), probabilities(label_smoothing=0))


def test_label_smoothing_is_that_of_cross_entropy():
    smoothed = probabilities(criterion=nn.CrossEntropyLoss, criterion__label_smoothing=0.3)
    assert_same(smoothed, probabilities(label_smoothing=0.3))
    assert_same(probabilities(criterion=FocalLoss), probabilities(criterion=FocalLoss, label_smoothing=0.5))


@pytest.mark.parametrize(
    ("settings", "loss"),
    [
        ({}, functional.cross_entropy),
        ({"criterion": nn.MultiMarginLoss, "criterion__p": 2}, functools.partial(functional.multi_margin_loss, p=2)),
        ({"criterion": nn.CrossEntropyLoss, "criterion__reduction": "mean"}, functional.cross_entropy),
        ({"criterion": mean_cross_entropy}, functional.cross_entropy),
    ],
    ids=["default", "class", "reduction", "function"],
)
def test_validation_loss_is_the_loss(settings, loss):
    clf = make_classifier(**settings).fit(X, Y, X_val=X[:10], y_val=Y[:10])
    # Both losses depend on differences of logits only.
    logits = torch.from_numpy(np.log(clf.predict_proba(X[:10])))
    expected = loss(logits, torch.from_numpy(np.searchsorted(clf.classes_, Y[:10])))
    assert clf.history_[-1]["valid_loss"] == pytest.approx(expected.item(), rel=1e-4)


def test_early_stopping_monitors_the_loss():
    def rising(logits, codes):
        rising.calls += not logits.requires_grad
        return rising.calls + 0 * cross_entropy(logits, codes)

    rising.calls = 0
    clf = make_classifier(criterion=rising, max_epochs=9, early_stopping=True, n_iter_no_change=2)
    clf.fit(X, Y, X_val=X[:10], y_val=Y[:10])
    assert [epoch["valid_loss"] for epoch in clf.history_] == [1, 2, 3]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_loss_takes_float32_logits_and_int64_codes(precision):
    def check(logits, codes):
        seen.add((logits.dtype, tuple(logits.shape), codes.dtype, tuple(codes.shape)))
        return cross_entropy(logits, codes)

    seen = set()
    make_classifier(criterion=check, precision=precision).fit(X, Y)
    assert seen == {(torch.float32, (8, 2), torch.int64, (8,))}


# Parameters of the class


def test_parameters_of_the_class_are_parameters_of_the_classifier():
    clf = make_classifier(criterion=FocalLoss, criterion__gamma=1.0)
    assert clf.get_params()["criterion__gamma"] == clf.get_params(deep=False)["criterion__gamma"] == 1.0
    assert "criterion__gamma=1.0" in repr(clf) and "criterion__gamma" in clf._repr_html_()
    assert clone(clf).get_params()["criterion__gamma"] == 1.0
    assert pickle.loads(pickle.dumps(clf)).get_params()["criterion__gamma"] == 1.0
    one = clf.fit(X, Y).predict_proba(X)
    assert_same(clone(clf).fit(X, Y).predict_proba(X), one)
    assert clf.set_params(criterion__gamma=2.0) is clf
    assert_different(clf.fit(X, Y).predict_proba(X), one)


def test_parameters_of_the_class_can_be_searched():
    pipeline = make_pipeline(FaceLoader(image_size=24), make_classifier())
    grid = [
        {"emotionclassifier__criterion": [FocalLoss], "emotionclassifier__criterion__gamma": [0.0, 1.0]},
        {"emotionclassifier__criterion": ["cross_entropy", nn.MultiMarginLoss]},
    ]
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, Y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.get_params().items() >= search.best_params_.items()


def test_new_class_does_not_keep_the_parameters_of_the_previous_one():
    clf = make_classifier(criterion=FocalLoss, criterion__gamma=1.0)
    assert clf.set_params(criterion=FocalLoss).get_params()["criterion__gamma"] == 1.0
    assert "criterion__gamma" not in clf.set_params(criterion=nn.MultiMarginLoss).get_params()
    assert clf.set_params(criterion__p=2, criterion=nn.MultiMarginLoss).get_params()["criterion__p"] == 2
    clf.criterion = "cross_entropy"
    assert "criterion__p" not in clone(clf).get_params()


@pytest.mark.parametrize(
    "criterion", ["cross_entropy", cross_entropy, FocalLoss(1.0)], ids=["name", "function", "loss"]
)
def test_criterion_that_is_no_class_has_no_parameters(criterion):
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'criterion__gamma'\. .*if criterion or"):
        EmotionClassifier(criterion=criterion, criterion__gamma=2.0)
    clf = EmotionClassifier(criterion=criterion)
    with pytest.raises(ValueError, match=r"Invalid parameter 'criterion__gamma' for criterion=.*not a class"):
        clf.set_params(criterion__gamma=2.0)
    assert clf.get_params()["criterion"] is criterion


@pytest.mark.parametrize("name", ["criterion_gamma", "criterion__", "loss__gamma", "gamma"])
def test_other_names_are_an_error(name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        EmotionClassifier(criterion=FocalLoss, **{name: 1.0})
    with pytest.raises((ValueError, ParameterError)):
        EmotionClassifier(criterion=FocalLoss).set_params(**{name: 1.0})


# Invalid losses


@pytest.mark.parametrize("criterion", ["focal", "hinge", None, 3, [FocalLoss]])
def test_criterion_must_be_known_or_callable(criterion):
    with pytest.raises(InvalidParameterError, match="'criterion' parameter of EmotionClassifier must be a str among"):
        make_classifier(criterion=criterion).fit(X, Y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"criterion": FocalLoss, "criterion__gama": 1}, "FocalLoss cannot be built with gama=1 .*unexpected keyword"),
        ({"criterion": WithClassWeights}, "WithClassWeights cannot be built with reduction='none' .*'weights'"),
        ({"criterion": dict}, "criterion=dict builds an object that cannot be called"),
        ({"criterion": nn.NLLLoss}, "NLLLoss takes log-probabilities.*Pass torch.nn.CrossEntropyLoss"),
        ({"criterion": nn.BCEWithLogitsLoss}, r"BCEWithLogitsLoss cannot be computed .*\(8, 2\) .*\(8,\) .*ValueError"),
        ({"criterion": functools.partial(FocalLoss, 2)}, "cannot be computed|returned a FocalLoss"),
        ({"criterion": lambda logits, codes: 0.5}, r"returned a float, expected one loss per image, of shape \(8,\)"),
        ({"criterion": lambda logits, codes: logits}, r"a tensor of shape \(8, 2\), expected one loss .*or their mean"),
        ({"criterion": lambda logits, codes: logits[:, :1]}, r"returned a tensor of shape \(8, 1\)"),
        ({"criterion": lambda logits: logits}, "<lambda> cannot be computed .*TypeError"),
    ],
)
def test_invalid_loss_is_an_error(settings, message):
    clf = make_classifier(**settings)
    with pytest.raises(ParameterError, match=message):
        clf.fit(X, Y)
    assert not hasattr(clf, "net_")


def test_loss_that_is_not_finite_is_an_error():
    with pytest.raises(TrainingError, match="train loss became nan in epoch 1, batch 1"):
        make_classifier(criterion=lambda logits, codes: logits.sum(dim=1) * torch.nan).fit(X, Y)


def test_loss_that_does_not_depend_on_the_network_is_an_error():
    with pytest.raises(TrainingError, match="criterion=<lambda> returned a loss that does not depend on the logits"):
        make_classifier(criterion=lambda logits, codes: logits.detach().sum(dim=1)).fit(X, Y)


@pytest.mark.parametrize(
    "settings",
    [{"criterion": mean_cross_entropy}, {"criterion": nn.CrossEntropyLoss, "criterion__reduction": "mean"}],
    ids=["function", "class"],
)
def test_scalar_loss_cannot_be_weighted(settings):
    message = 'returned a scalar, but sample_weight or class_weight differ .*reduction="none"'
    with pytest.raises(ParameterError, match=message):
        make_classifier(**settings).fit(X, Y, sample_weight=WEIGHT)
    with pytest.raises(ParameterError, match=message):
        make_classifier(**settings, class_weight={"pain": 2, "happiness": 1}).fit(X, Y)
    expected = probabilities(label_smoothing=0)
    for sample_weight, class_weight in ((None, None), (np.full(len(X), 0.3), None), (None, "balanced")):
        found = probabilities(sample_weight, class_weight=class_weight, **settings)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rows_without_weight_do_not_make_a_scalar_loss_weighted():
    assert make_classifier(criterion=mean_cross_entropy).fit(X, Y, sample_weight=np.arange(24) % 2 * 1.0).n_iter_ == 2


# State of the loss


def test_parameters_of_the_loss_are_trained():
    start = LearnedTemperature()
    clf = make_classifier(criterion=start).fit(X, Y)
    trained = clf.net_.criterion_
    assert trained.scale.item() != 1 and trained.n_batches == 6
    assert start.scale.item() == 1 and start.n_batches == 0
    assert any(weight is trained.scale for weight in clf.net_.optimizer_.param_groups[-1]["params"])
    assert_same(clf.fit(X, Y).predict_proba(X), clone(clf).fit(X, Y).predict_proba(X))


def copy_by_pickle(clf, folder):
    return pickle.loads(pickle.dumps(clf))


def copy_by_file(clf, folder):
    save_model(clf, folder / "model.skops")
    return load_model(folder / "model.skops", trusted=[LearnedTemperature, perceptron])


@pytest.mark.parametrize("copy", [copy_by_pickle, copy_by_file])
def test_state_of_the_loss_is_saved_and_training_continues_with_it(copy, tmp_path):
    clf = make_classifier(criterion=LearnedTemperature, criterion__start=0.9).fit(X, Y)
    same = copy(clf, tmp_path)
    assert same.net_.criterion_.scale == clf.net_.criterion_.scale and same.net_.criterion_.n_batches == 6
    clf.partial_fit(X, Y)
    same.partial_fit(X, Y)
    assert_same(same.predict_proba(X), clf.predict_proba(X))
    assert clf.net_.criterion_.n_batches == same.net_.criterion_.n_batches == 9


def test_interrupted_training_resumes_with_the_state_of_the_loss(tmp_path):
    settings = {"criterion": LearnedTemperature, "max_epochs": 4, "checkpoint_dir": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        make_classifier(callbacks=[InterruptAt(3)], **settings).fit(X, Y)
    resumed = make_classifier(callbacks=[InterruptAt(None)], **settings).fit(X, Y)
    assert len(list(tmp_path.iterdir())) == 1
    whole = make_classifier(criterion=LearnedTemperature, max_epochs=4).fit(X, Y)
    assert_same(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.net_.criterion_.scale == whole.net_.criterion_.scale
    assert resumed.net_.criterion_.n_batches == 12


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("cross_entropy", LearnedTemperature), (LearnedTemperature, "cross_entropy"), (LearnedTemperature, FocalLoss)],
)
def test_training_continues_with_another_loss(first, second, optimizer):
    clf = make_classifier(criterion=first, optimizer=optimizer, warm_start=True).fit(X, Y)
    clf.set_params(criterion=second).fit(X, Y)
    assert clf.n_iter_ == 4
    if second is LearnedTemperature:
        assert clf.net_.criterion_.n_batches == 6


def test_changed_parameter_of_the_loss_applies_in_continued_training():
    clf = make_classifier(criterion=WithClassWeights, criterion__weights=[1.0, 2.0], warm_start=True).fit(X, Y)
    clf.set_params(criterion__weights=[3.0, 4.0]).fit(X, Y)
    assert clf.net_.criterion_.weight.tolist() == [3.0, 4.0]


def test_another_loss_is_another_training(tmp_path):
    several = [
        {},
        {"criterion": nn.CrossEntropyLoss},
        {"criterion": FocalLoss},
        {"criterion": FocalLoss, "criterion__gamma": 1.0},
        {"criterion": cross_entropy},
        {"criterion": FocalLoss(1.0)},
        {"criterion": FocalLoss(3.0)},
        {"criterion": LearnedTemperature(1.0)},
        {"criterion": LearnedTemperature(2.0)},
    ]
    for _ in range(2):
        for number, settings in enumerate(several, start=1):
            make_classifier(checkpoint_dir=tmp_path, max_epochs=1, **settings).fit(X, Y)
            # The same instance, copied to another address, is the same training.
            clone(make_classifier(checkpoint_dir=tmp_path, max_epochs=1, **settings)).fit(X, Y)
            assert len(list(tmp_path.iterdir())) in (number, len(several))


# Model files


@pytest.mark.parametrize("criterion", [nn.CrossEntropyLoss, nn.MultiMarginLoss])
def test_losses_of_pytorch_are_saved_by_name(criterion, tmp_path):
    clf = make_classifier(network=networks.VGG(width=2), criterion=criterion, criterion__reduction="none").fit(X, Y)
    save_model(clf, tmp_path / "model.skops")
    same = load_model(tmp_path / "model.skops")
    assert same.criterion is criterion and same.get_params()["criterion__reduction"] == "none"
    assert_same(same.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("criterion", [FocalLoss, cross_entropy])
def test_custom_loss_must_be_trusted(criterion, tmp_path):
    clf = make_classifier(network=networks.VGG(width=2), criterion=criterion).fit(X, Y)
    save_model(clf, tmp_path / "model.skops")
    with pytest.raises(ModelFileError, match=f"needs test_criterion.{criterion.__name__}. Only if you trust"):
        load_model(tmp_path / "model.skops")
    assert load_model(tmp_path / "model.skops", trusted=[criterion]).criterion is criterion


@pytest.mark.parametrize(
    ("settings", "held"),
    [
        ({"criterion": FocalLoss(1.0)}, r"FocalLoss \(criterion\)"),
        ({"criterion": nn.CrossEntropyLoss, "criterion__weight": torch.ones(2)}, r"Tensor \(criterion__weight\)"),
    ],
    ids=["instance", "tensor"],
)
def test_instances_and_tensors_are_not_saved(settings, held, tmp_path):
    clf = make_classifier(network=networks.VGG(width=2), **settings).fit(X, Y)
    with pytest.raises(ModelFileError, match=rf"holds a {held}, but model files .*only by name\. Pass the class"):
        save_model(clf, tmp_path / "model.skops")


@pytest.mark.parametrize("name", ["torch.optim.sgd.SGD", "sklearn.model_selection._split.KFold"])
def test_forged_loss_is_rejected(name, tmp_path, monkeypatch):
    module, _, attribute = name.rpartition(".")
    forged = getattr(pytest.importorskip(module), attribute)
    clf = make_classifier(network=networks.VGG(width=2)).fit(X, Y)
    clf.criterion = forged
    with pytest.raises(ModelFileError, match="invalid criterion"):
        save_model(clf, tmp_path / "model.skops")
