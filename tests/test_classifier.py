import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.pipeline import make_pipeline
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_score
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback, EpochScoring, GradientNormClipping
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sk_emotion import (
    AugmentationOverSampler,
    EmotionClassifier,
    FaceAugmentation,
    FaceLoader,
    HOGTransformer,
    make_faces,
    make_hog_svm,
    networks,
)
from sk_emotion.exceptions import ImageArrayError, ImageSizeError, LabelError, SkEmotionError, TrainingError

pytestmark = pytest.mark.training


def make_classifier(**changes):
    settings = {"max_epochs": 2, "random_state": 0, **changes}
    return EmotionClassifier(settings.pop("network", networks.ResNet(width=4)), **settings)


class CountEpochs(Callback):
    def on_train_begin(self, net, **kwargs):
        self.n_epochs_ = 0

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs_ += 1


def perceptron(in_channels, image_size, n_classes):
    height, width = image_size
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * height * width, n_classes))


@pytest.fixture(scope="module")
def fitted(faces):
    X, y, _ = faces
    return make_classifier().fit(X, y)


def test_network_learns_emotions():
    X, y, _ = make_faces(300, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)
    clf = make_classifier(network=networks.ResNet(width=8), augmentation=None, max_epochs=20).fit(X[:200], y[:200])
    # 0.72 to 0.79 in both precisions.
    assert clf.score(X[200:], y[200:]) >= 0.65


def test_labels_keep_their_type(fitted, faces):
    X, _, _ = faces
    assert fitted.classes_.tolist() == ["happiness", "pain"]
    assert set(fitted.predict(X)) <= {"happiness", "pain"}
    probabilities = fitted.predict_proba(X)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_history_has_a_row_per_epoch_of_plain_numbers(fitted):
    table = pd.DataFrame(fitted.history_)
    assert table["epoch"].tolist() == [1, 2]
    assert {"train_loss", "lr", "dur"} <= set(table.columns)
    assert fitted.n_iter_ == len(fitted.net_.history) == 2


@pytest.mark.parametrize("shape", [(80, 24, 24), (80, 24, 24, 1), (80, 24, 24, 3), (80, 576)])
def test_images_of_each_shape_are_accepted(faces, shape):
    X, y, _ = faces
    images = np.repeat(X[..., None], 3, axis=3) if shape[-1] == 3 else X.reshape(shape)
    clf = make_classifier(max_epochs=1).fit(images, y)
    assert clf.n_features_in_ == np.prod(shape[1:])
    assert clf.predict(images[:3]).shape == (3,)


def test_rows_and_images_train_the_same_network(faces):
    X, y, _ = faces
    flat = make_classifier().fit(X.reshape(len(X), -1), y)
    np.testing.assert_array_equal(
        flat.predict_proba(X.reshape(len(X), -1)), make_classifier().fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize("scale", [1 / 255, 1.0])
def test_floats_train_like_uint8(faces, fitted, scale):
    X, y, _ = faces
    floats = X.astype(np.float32) * np.float32(scale)
    clf = make_classifier().fit(floats, y)
    np.testing.assert_allclose(clf.predict_proba(floats), fitted.predict_proba(X), atol=0.05)


def test_same_seed_trains_identical_weights(faces, fitted):
    X, y, _ = faces
    np.testing.assert_array_equal(make_classifier().fit(X, y).predict_proba(X), fitted.predict_proba(X))
    assert not np.array_equal(make_classifier(random_state=1).fit(X, y).predict_proba(X), fitted.predict_proba(X))


def test_global_random_state_is_not_changed(faces):
    X, y, _ = faces
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    clf = make_classifier().fit(X, y)
    pickle.loads(pickle.dumps(clf)).predict(X)
    assert torch.equal(torch.rand(4), expected)


def test_prediction_does_not_depend_on_the_batch(fitted, faces):
    X, _, _ = faces
    single = np.concatenate([fitted.predict_proba(X[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(single, fitted.predict_proba(X)[:5], atol=1e-5)


@pytest.mark.parametrize(("side", "expected"), [(48, 64), (32, 144), (480, 16)])
def test_prediction_batch_size_decreases_with_image_size(side, expected):
    X = np.random.default_rng(0).integers(0, 256, (150 if side < 100 else 40, side, side), dtype=np.uint8)
    clf = make_classifier(network=networks.TorchNetwork(perceptron), max_epochs=1, augmentation=None)
    clf.fit(X, np.arange(len(X)) % 2)
    sizes = []
    clf.net_.module_.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    probabilities = clf.predict_proba(X)
    assert max(sizes) == expected and sum(sizes) == len(X) == len(probabilities)


@pytest.mark.parametrize("duplicate", [lambda clf: pickle.loads(pickle.dumps(clf)), copy.deepcopy])
def test_copies_predict_and_continue_training_like_the_original(faces, duplicate):
    X, y, _ = faces
    original = make_classifier(ema=0.9).fit(X, y)
    other = duplicate(original)
    np.testing.assert_array_equal(other.predict_proba(X), original.predict_proba(X))
    assert other.history_ == original.history_
    np.testing.assert_array_equal(other.partial_fit(X, y).predict_proba(X), original.partial_fit(X, y).predict_proba(X))


def test_averaged_weights_match_pytorch(faces):
    X, y, _ = faces

    class Follow(Callback):
        def on_batch_end(self, net, training, **kwargs):
            if not training:
                return
            for weight in net.module_.parameters():
                # Replace the tensor, as callbacks that constrain weights do.
                weight.data = weight.data.clamp(-0.2, 0.2)
            if not hasattr(self, "averaged_"):
                average = get_ema_multi_avg_fn(0.7)
                self.averaged_ = AveragedModel(net.module_, multi_avg_fn=average, use_buffers=True)
            self.averaged_.update_parameters(net.module_)

    follow = Follow()
    clf = make_classifier(ema=0.7, callbacks=[("follow", follow)]).fit(X, y)
    expected = follow.averaged_.module.state_dict()
    found = clf.net_.module_.state_dict()
    assert list(found) == list(expected)
    for name, value in found.items():
        # Counters are not averaged.
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name], msg=lambda text, name=name: f"{name}: {text}")
        else:
            assert value == sum(len(epoch["batches"]) for epoch in clf.net_.history)


def test_module_that_sets_its_own_mode_keeps_it(faces):
    X, y, _ = faces

    class Still(nn.Module):
        """A module whose batch normalization stays in evaluation mode."""

        def __init__(self, **shape):
            super().__init__()
            self.norm, self.head = nn.BatchNorm2d(1), perceptron(**shape)

        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

        def forward(self, images):
            return self.head(self.norm(images))

    clf = make_classifier(network=networks.TorchNetwork(Still), validation_fraction=0.2).fit(X, y)
    for trained in (clf, copy.deepcopy(clf).partial_fit(X, y)):
        assert trained.net_.module_.norm.num_batches_tracked == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_copy_keeps_the_memory_layout_of_momentum(faces, optimizer):
    X, y, _ = faces
    original = make_classifier(optimizer=optimizer).fit(X, y)
    states = [clf.net_.optimizer_.state for clf in (original, pickle.loads(pickle.dumps(original)))]
    for (weight, kept), (_, kept_by_copy) in zip(*(state.items() for state in states), strict=True):
        for name, value in kept.items():
            torch.testing.assert_close(kept_by_copy[name], value, rtol=0, atol=0)
            if value.shape == weight.shape:
                assert kept_by_copy[name].stride() == weight.stride()


def test_momentum_of_the_fused_optimizer_matches_the_plain_one(faces):
    X, y, _ = faces
    settings = {"precision": "fp32", "learning_rate": 0.05, "weight_decay": 5e-4}
    fused = make_classifier(optimizer="sgd", **settings).partial_fit(X, y).partial_fit(X, y)

    class PlainSGD(torch.optim.SGD):
        def __init__(self, params, lr, weight_decay):
            super().__init__(params, lr=lr, weight_decay=weight_decay, momentum=0.9, nesterov=True)

    plain = make_classifier(optimizer=PlainSGD, **settings).partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_allclose(fused.predict_proba(X), plain.predict_proba(X), atol=1e-3)


def test_automatic_average_covers_the_last_twentieth_of_a_scheduled_training(faces):
    X, y, _ = faces
    settings = {"network": networks.TorchNetwork(perceptron), "batch_size": 8}
    decays = {
        (n_epochs, schedule): make_classifier(max_epochs=n_epochs, schedule=schedule, **settings).fit(X, y).net_.ema
        for n_epochs, schedule in [(3, "onecycle"), (4, "onecycle"), (6, "cosine"), (6, None)]
    }
    # An epoch has 10 steps.
    assert decays == {(3, "onecycle"): None, (4, "onecycle"): 0.5, (6, "cosine"): pytest.approx(2 / 3), (6, None): None}


@pytest.mark.parametrize("copied", [False, True])
def test_training_continues_from_the_last_weights_without_averaging(faces, copied):
    X, y, _ = faces
    clf = make_classifier(network=networks.TorchNetwork(perceptron), batch_size=8, max_epochs=6).fit(X, y)
    arrays = clf.net_.to_arrays()
    averaged, last = arrays["weights"], arrays["training_weights"]
    clf = pickle.loads(pickle.dumps(clf)) if copied else clf
    clf.set_params(learning_rate=1e-12, weight_decay=0, augmentation=None).partial_fit(X, y).partial_fit(X, y)
    arrays = clf.net_.to_arrays()
    assert arrays["training_weights"] is None
    for name, value in arrays["weights"].items():
        np.testing.assert_allclose(value, last[name], rtol=0, atol=1e-9)
    assert any(np.abs(averaged[name] - last[name]).max() > 1e-6 for name in last)


def test_weights_are_averaged_in_modules_without_counters(faces):
    X, y, _ = faces
    assert make_classifier(network=networks.TorchNetwork(perceptron), ema=0.9).fit(X, y).score(X, y) > 0.3


def test_state_contains_only_arrays_and_plain_types(fitted):
    def kinds(value):
        if isinstance(value, dict):
            return set().union(*map(kinds, value.values())) if value else set()
        if isinstance(value, list):
            return set().union(*map(kinds, value)) if value else set()
        return {type(value)}

    state = fitted.__getstate__()
    assert "net_" not in state
    assert kinds(state["net_state"]) <= {np.ndarray, str, int, float, bool, type(None)}
    assert type(state["history_"]) is str


def test_callbacks_are_used_and_dropped_with_a_warning(faces):
    X, y, _ = faces
    counter = CountEpochs()
    clf = make_classifier(callbacks=[counter]).fit(X, y)
    assert counter.n_epochs_ == 2
    with pytest.warns(UserWarning, match="callbacks are not saved"):
        restored = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(restored.predict(X), clf.predict(X))


class Interrupt(nn.Module):
    """Raise KeyboardInterrupt during training, like Ctrl-C."""

    def __init__(self):
        super().__init__()
        self.layers = perceptron(1, (24, 24), 2)

    def forward(self, images):
        if self.training:
            raise KeyboardInterrupt
        return self.layers(images)


def test_ctrl_c_ends_a_search(faces):
    X, y, _ = faces
    with pytest.raises(KeyboardInterrupt):
        cross_val_score(make_classifier(network=networks.TorchNetwork(Interrupt)), X, y, cv=2)


def test_partial_fit_trains_one_more_epoch(faces):
    X, y, _ = faces
    clf = make_classifier().partial_fit(X[:40], y[:40], classes=["pain", "happiness", "fear"])
    clf.partial_fit(X[40:], y[40:])
    assert clf.n_iter_ == 2
    assert clf.classes_.tolist() == ["fear", "happiness", "pain"]
    assert clf.predict_proba(X).shape == (80, 3)
    with pytest.raises(LabelError, match="differs from the classes of the first call"):
        clf.partial_fit(X, y, classes=["pain", "joy"])
    with pytest.raises(LabelError, match=r"not in classes_: \['joy'\]"):
        clf.partial_fit(X[:2], ["joy", "pain"])


def test_warm_start_continues_and_cold_start_does_not(faces):
    X, y, _ = faces
    warm = make_classifier(warm_start=True).fit(X, y).fit(X, y)
    assert warm.n_iter_ == 4
    cold = make_classifier().fit(X, y).fit(X, y)
    assert cold.n_iter_ == 2


def test_validation_set_is_scored_each_epoch(faces):
    X, y, _ = faces
    clf = make_classifier().fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert {"valid_loss", "valid_acc", "valid_f1_macro"} <= set(clf.history_[-1])
    # The accuracy in the history is that of the classifier.
    assert clf.history_[-1]["valid_acc"] == pytest.approx(clf.score(X[60:], y[60:]))


def test_early_stopping_keeps_the_best_epoch(faces):
    X, y, _ = faces
    settings = {"optimizer": "sgd", "learning_rate": 0.5, "schedule": None, "early_stopping": True}
    network = networks.ResNet(width=4, pool=1)
    clf = make_classifier(network=network, max_epochs=12, n_iter_no_change=2, **settings).fit(
        X[:50], y[:50], X_val=X[50:], y_val=y[50:]
    )
    losses = [epoch["valid_loss"] for epoch in clf.history_]
    assert len(losses) < 12
    probabilities = clf.predict_proba(X[50:])[np.arange(30), np.searchsorted(clf.classes_, y[50:])]
    assert -np.log(probabilities).mean() == pytest.approx(min(losses), rel=1e-3)


def test_weight_zero_is_equivalent_to_removing_the_image(faces):
    X, y, _ = faces
    settings = {"network": networks.TorchNetwork(perceptron), "augmentation": None, "schedule": None, "batch_size": 80}
    weight = (np.arange(80) % 2).astype(float)
    poisoned = X.copy()
    poisoned[::2] = 255 - poisoned[::2]
    plain = make_classifier(**settings).fit(X, y, sample_weight=weight)
    other = make_classifier(**settings).fit(X, np.where(weight == 0, y[::-1], y), sample_weight=weight)
    np.testing.assert_allclose(plain.predict_proba(X), other.predict_proba(X), atol=1e-6)


def test_sample_weights_are_equivalent_to_repetition_on_average(faces):
    # Statistical version of scikit-learn's exact check, which stochastic training cannot pass.
    X, y, _ = faces
    weight = np.where(y == "pain", 3, 1)
    rows = np.repeat(np.arange(80), weight)
    settings = {"network": networks.TorchNetwork(perceptron), "augmentation": None, "max_epochs": 10}
    weighted, repeated = [], []
    for seed in range(5):
        weighted.append(make_classifier(random_state=seed, **settings).fit(X, y, sample_weight=weight).predict_proba(X))
        repeated.append(make_classifier(random_state=seed, **settings).fit(X[rows], y[rows]).predict_proba(X))
    unweighted = make_classifier(**settings).fit(X, y).predict_proba(X)
    difference = np.mean(weighted, axis=0) - np.mean(repeated, axis=0)
    assert abs(difference[:, 1].mean()) < 0.05
    assert np.mean(weighted, axis=0)[:, 1].mean() > unweighted[:, 1].mean()


def test_class_weight_and_balanced_batches_improve_the_rare_class(faces):
    X, y, _ = faces
    rows = np.r_[np.flatnonzero(y == "happiness"), np.flatnonzero(y == "pain")[:6]]
    rare = {
        name: make_classifier(max_epochs=4, augmentation=None, **settings).fit(X[rows], y[rows]).predict_proba(X)[:, 1]
        for name, settings in {
            "plain": {},
            "weighted": {"class_weight": "balanced"},
            "balanced": {"balance_batches": True},
        }.items()
    }
    assert rare["weighted"].mean() > rare["plain"].mean()
    assert rare["balanced"].mean() > rare["plain"].mean()


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adamw", "learning_rate": 1e-3},
        {"optimizer": torch.optim.RMSprop, "learning_rate": 1e-3},
        {"schedule": "cosine"},
        {"schedule": None},
        {"ema": 0.9},
        {"precision": "fp32"},
        {"precision": "bf16"},
        {"precision": "fp16"},
        {"augmentation": None},
        {"augmentation": FaceAugmentation(rotation=30)},
        {"momentum": 0.0},
        {"network": networks.VGG(width=4)},
        {"network": networks.TorchNetwork(perceptron)},
    ],
)
def test_every_setting_trains_and_can_be_pickled(faces, settings):
    X, y, _ = faces
    clf = make_classifier(**settings).fit(X, y)
    restored = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))
    assert np.isfinite(restored.partial_fit(X, y).history_[-1]["train_loss"])


def test_long_history_is_one_string_in_a_saved_state(faces):
    X, y, _ = faces
    clf = make_classifier().fit(X, y)
    clf.history_ = [*clf.history_, {"epoch": 3, "train_loss": np.nan, "note": np.arange(2)}]
    state = clf.__getstate__()
    assert isinstance(state["history_"], str)
    restored = pickle.loads(pickle.dumps(clf))
    assert restored.history_[:2] == clf.history_[:2]
    assert np.isnan(restored.history_[2]["train_loss"]) and restored.history_[2]["note"] == "[0 1]"


@pytest.mark.parametrize("tta", ["mirror", "crops"])
def test_views_of_a_face_are_averaged(faces, tta):
    X, y, _ = faces
    clf = make_classifier(tta=tta).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X[..., ::-1]), clf.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("network", [networks.ResNet(width=4), networks.VGG(width=4)])
@pytest.mark.parametrize("size", [24, 40, 48])
def test_embedding_is_the_mean_of_the_last_maps_for_any_pool(network, size):
    X, y, _ = make_faces(12, emotions=["happiness", "pain"], image_size=size, random_state=0)
    clf = make_classifier(network=clone(network).set_params(pool=3), max_epochs=1).fit(X, y)
    other = copy.deepcopy(clf.net_.module_)
    pooled = next(layer for layer in other.modules() if isinstance(layer, nn.AvgPool2d | nn.AdaptiveAvgPool2d))
    maps = []
    pooled.register_forward_pre_hook(lambda _, inputs: maps.append(inputs[0]))
    with torch.inference_mode():
        other.eval()(clf.net_.preparation(torch.from_numpy(X)[:, None]))
    np.testing.assert_allclose(clf.embed(X), maps[0].mean((2, 3)).numpy(), atol=1e-5)
    assert clf.embed(X).shape == (12, 32)


def test_embedding_is_the_input_of_the_last_layer_with_global_pooling(faces):
    X, y, _ = faces
    fitted = make_classifier(network=networks.ResNet(width=4, pool=1)).fit(X, y)
    features = fitted.embed(X)
    assert features.shape == (80, 32)
    head = [layer for layer in fitted.net_.module_.modules() if isinstance(layer, nn.Linear)][-1]
    logits = features @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), fitted.predict_proba(X), atol=1e-4)


def test_default_network_of_an_older_file_is_kept(faces):
    X, y, _ = faces
    clf = make_classifier(network=networks.ResNet(pool=1), max_epochs=1).fit(X, y)
    clf.network = None
    del clf.network_.pool
    older = pickle.loads(pickle.dumps(clf))
    assert older.network.pool == 1
    np.testing.assert_array_equal(older.predict_proba(X), clf.predict_proba(X))
    assert older.partial_fit(X, y).n_iter_ == 2
    assert clone(older).fit(X, y).net_.module_.head[-1].in_features == 192
    assert pickle.loads(pickle.dumps(make_classifier(network=None, max_epochs=1).fit(X, y))).network is None


def test_nested_parameters_of_the_defaults_can_be_set():
    clf = EmotionClassifier().set_params(network__width=16, augmentation__rotation=5)
    assert clf.network.width == 16
    assert clf.augmentation.rotation == 5
    assert clone(clf).network.width == 16
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        EmotionClassifier().set_params(network__depth=3)


@pytest.mark.parametrize(
    ("grid", "n_jobs"),
    [
        ({"emotionclassifier__network": [networks.ResNet(width=4), networks.VGG(width=4)]}, 1),
        ({"emotionclassifier__network__width": [2, 4], "emotionclassifier__learning_rate": [0.01, 0.1]}, 2),
        ({"faceloader__image_size": [16, 20]}, 1),
    ],
)
def test_pipeline_can_be_searched_with_several_scores(faces, grid, n_jobs):
    X, y, groups = faces
    y = np.where((y == "pain") & (np.arange(80) % 3 == 0), "fear", y)
    pipeline = make_pipeline(
        FaceLoader(image_size=24),
        AugmentationOverSampler(random_state=0),
        EmotionClassifier(max_epochs=1, random_state=0),
    )
    search = GridSearchCV(
        clone(pipeline).set_params(emotionclassifier__network__width=4),
        grid,
        scoring=["f1_macro", "roc_auc_ovr"],
        refit="f1_macro",
        cv=StratifiedGroupKFold(2),
    )
    # Threads, since new processes would have to import everything; test_agreement.py tests processes.
    with joblib.parallel_config("multiprocessing", n_jobs=n_jobs):
        search.fit(X, y, groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_roc_auc_ovr"]).all()
    restored = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(restored.predict_proba(X), search.predict_proba(X))
    assert "EmotionClassifier" in search._repr_html_()


def test_width_of_the_default_network_can_be_searched(faces):
    X, y, _ = faces
    search = GridSearchCV(EmotionClassifier(max_epochs=1, random_state=0), {"network__width": [2, 4]}, cv=2).fit(X, y)
    assert search.best_params_["network__width"] in (2, 4)


def test_hog_parameters_of_the_baseline_can_be_searched(faces):
    X, y, _ = faces
    search = GridSearchCV(make_hog_svm(), {"hogtransformer__orientations": [4, 8]}, scoring="roc_auc", cv=2).fit(X, y)
    assert search.best_score_ > 0.8
    assert HOGTransformer.__name__ in search._repr_html_()


def test_classifier_works_in_cross_validation(faces):
    X, y, _ = faces
    scores = cross_val_score(make_classifier(max_epochs=1), X, y, cv=2, scoring="f1_macro")
    assert scores.shape == (2,)


def test_tiny_images_are_not_augmented_and_train_in_fp32():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] > 0).astype(int)
    clf = EmotionClassifier(max_epochs=30, random_state=0).fit(X, y)
    assert clf.image_shape_ == (1, 2)
    assert clf.net_.preparation.augmentation is None
    assert clf.net_.precision == "fp32"
    assert clf.score(X, y) > 0.8


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": ["pain"] * 80}, LabelError, "at least two classes; y contains only one class: pain"),
        ({"y": ["pain"] * 79}, LabelError, "80 images, but y has 79 labels"),
        ({"X": np.full((80, 24, 24), np.nan)}, ValueError, "NaN"),
        ({"X": np.zeros((24, 24, 3))}, SkEmotionError, "one RGB image without the batch axis"),
        ({"X": np.zeros((80, 3, 24, 24), np.uint8)}, ImageArrayError, "channels last"),
        ({"X": np.zeros((80, 2914))}, ImageArrayError, r"image_shape=\(62, 47\)"),
        ({"X": np.array([["a.jpg"]] * 80)}, SkEmotionError, "FaceLoader"),
    ],
)
def test_invalid_data_is_an_error(faces, change, error, message):
    X, y, _ = faces
    with pytest.raises(error, match=message):
        make_classifier().fit(**{"X": X, "y": y, **change})


def test_image_too_small_for_the_network_is_an_error(faces):
    X, y, _ = faces
    with pytest.raises(ImageSizeError, match=r"cannot process 8x8 pixels.*at least 16x16"):
        make_classifier(network=networks.VGG(width=4)).fit(X[:, :8, :8], y)
    shrinking = networks.TorchNetwork(lambda n_classes: nn.Sequential(nn.Conv2d(1, 2, 7), nn.Conv2d(2, 2, 7)))
    with pytest.raises(ImageSizeError, match="cannot process 8x8 images"):
        make_classifier(network=shrinking).fit(X[:, :8, :8], y)


def test_images_unlike_those_of_fit_are_an_error(fitted, faces):
    X, _, _ = faces
    with pytest.raises(ImageArrayError, match=r"12x12 gray images, but was fitted on 24x24 gray"):
        fitted.predict(X[:, :12, :12])
    with pytest.raises(ImageArrayError, match="without the batch axis"):
        fitted.predict(X[0])
    with pytest.raises(ImageArrayError, match=r"fitted on pixels from 0 to 255"):
        fitted.predict(X / 255)


def test_non_finite_loss_stops_training(faces):
    X, y, _ = faces
    clf = make_classifier(learning_rate=1e20, schedule=None, precision="fp32", max_epochs=5)
    with pytest.raises(TrainingError, match="Pass a smaller learning_rate"):
        clf.fit(X, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_epochs": 0}, "max_epochs"),
        ({"network": "resnet"}, "network"),
        ({"precision": "int8"}, "precision"),
        ({"tta": "all"}, "tta"),
    ],
)
def test_invalid_parameter_is_an_error(faces, settings, message):
    X, y, _ = faces
    with pytest.raises(InvalidParameterError, match=message):
        make_classifier(**settings).fit(X, y)


def test_early_stopping_needs_a_validation_set(faces):
    X, y, _ = faces
    with pytest.raises(ValueError, match="needs a validation set"):
        make_classifier(early_stopping=True).fit(X, y)
    with pytest.raises(ValueError, match="must be passed together"):
        make_classifier().fit(X, y, X_val=X)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_cuda_is_an_error(faces):
    X, y, _ = faces
    with pytest.raises(ValueError, match="finds no CUDA device"):
        make_classifier(device="cuda").fit(X, y)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"device": "gpu"}, ValueError, r'device=\'gpu\' is not a PyTorch device\. Pass "auto"'),
        ({"network": networks.VGG}, TypeError, r"network is the class VGG\. Pass an instance: network=VGG\(\)"),
    ],
)
def test_error_of_a_common_mistake_says_what_to_pass(faces, settings, error, message):
    X, y, _ = faces
    with pytest.raises(error, match=message):
        make_classifier(**settings).fit(X, y)


def test_verbose_prints_a_line_per_epoch(faces, capsys):
    X, y, _ = faces
    make_classifier(verbose=1).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_continued_training_draws_new_augmentations(faces):
    X, y, _ = faces
    seen = []

    def record(images, generator):
        changed = FaceAugmentation()(images, generator)
        seen.append(changed.clone())
        return changed

    clf = make_classifier(augmentation=record, batch_size=80).partial_fit(X, y).partial_fit(X, y)
    assert clf.n_iter_ == 2
    assert not torch.equal(seen[0], seen[1])


def test_failed_refit_leaves_no_classifier_with_other_classes(faces):
    X, y, _ = faces
    clf = make_classifier().fit(X, y)
    with pytest.raises(LabelError):
        clf.fit(X, ["fear"] * 80)
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_failed_continued_training_does_not_change_the_weights(faces):
    X, y, _ = faces
    clf = make_classifier(warm_start=True, precision="fp32").fit(X, y)
    before = clf.predict_proba(X)
    with pytest.raises(TrainingError):
        clf.set_params(learning_rate=1e20, schedule=None).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.set_params(learning_rate=0.01).fit(X, y).n_iter_ == 4


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_embedding_is_float32_and_does_not_change_torch_settings(faces, precision):
    X, y, _ = faces
    clf = make_classifier(precision=precision).fit(X, y)
    assert clf.embed(X).dtype == np.float32
    with pytest.raises(ImageArrayError):
        clf.embed(X[0])
    assert not torch.is_inference_mode_enabled()


def test_clipped_gradients_train_in_half_precision(faces):
    X, y, _ = faces
    settings = {"callbacks": [GradientNormClipping(1.0)], "augmentation": None, "max_epochs": 4}
    losses = {
        precision: make_classifier(precision=precision, **settings).fit(X, y).history_[-1]["train_loss"]
        for precision in ("fp32", "fp16")
    }
    assert losses["fp16"] == pytest.approx(losses["fp32"], abs=0.1)


def test_scoring_callbacks_of_skorch_receive_images_and_labels(faces):
    X, y, _ = faces
    score = EpochScoring("accuracy", name="own", use_caching=False, lower_is_better=False)
    clf = make_classifier(callbacks=[score]).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert clf.history_[-1]["own"] == pytest.approx(clf.score(X[60:], y[60:]))


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_labels_are_counted(faces, missing):
    X, y, _ = faces
    labels = y.astype(object)
    labels[5] = missing
    with pytest.raises(LabelError, match=r"in 1 of 80 places, first in y\[5\]"):
        make_classifier().fit(X, labels)


def test_negative_class_weight_is_an_error(faces):
    X, y, _ = faces
    with pytest.raises(LabelError, match="finite weights of at least 0"):
        make_classifier(class_weight={"pain": -1, "happiness": 1}).fit(X, y)
