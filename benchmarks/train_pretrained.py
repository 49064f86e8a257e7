"""Train and evaluate a pretrained model of the package, and write its weights and model card.

    python benchmarks/train_pretrained.py fer2013 --fer2013 fer2013.npz --ferplus ferplus_votes.npz
    python benchmarks/train_pretrained.py human-emotions --photos human_emotions_6 --cache folder

``fer2013`` is trained only on FER2013's Training rows; all choices were made on PublicTest. It is distilled from four
wider networks, which takes a quarter of an hour on a GPU with one process per network, and days on a CPU.
``human-emotions`` starts from it; its parameters were chosen and its scores computed in folds by groups of
near-duplicates. An interrupted run resumes from ``--cache FOLDER``, which keeps the faces and the results of each fold.
Other crops are compared with ``--scores-only``:

    python benchmarks/train_pretrained.py human-emotions --photos human_emotions_6 --margin 0.1 --align --scores-only

``--trained FILE`` saves the trained ``fer2013`` to a file, or loads it if the file exists; evaluation and writing take
minutes. ``--keep-weights`` evaluates the weights of the package instead, to change the parameters of its FaceLoader.

Next to the weights, ``NAME.training.json`` holds digests and perceptual hashes of the images they were trained on, by
which reports say that a model is evaluated on them. ``--training-images-only`` writes only this file.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from _distillation import Lessons, learn_from_networks, learn_from_people
from _model_card import JUDGED, name_mistakes, write_card
from _scores import score
from _timing import describe_machine
from joblib import Memory
from PIL import Image
from safetensors.torch import save_file
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.metrics import f1_score, log_loss, recall_score
from sklearn.model_selection import StratifiedGroupKFold

from sk_emotion import (
    EmotionClassifier,
    FaceAugmentation,
    FaceLoader,
    compare_classifiers,
    export_onnx,
    load_face_folder,
    load_fer2013,
    load_pretrained,
    make_hog_svm,
    networks,
)
from sk_emotion._training._predict import make_views
from sk_emotion._training._standardize import learn_pixel_statistics
from sk_emotion.leakage._fingerprints import Fingerprints, take_fingerprints
from sk_emotion.leakage._training_images import ENDING, TrainingImages
from sk_emotion.metrics import expected_calibration_error
from sk_emotion.utils._device import choose_device
from sk_emotion.utils._files import FOLDER, read_weights

# Width, blocks per stage, epochs and seed of the teachers.
TEACHERS = [(80, 1, 121, 10), (80, 1, 121, 11), (64, 2, 114, 12), (48, 2, 117, 13)]
WIDTH, POOL, N_EPOCHS, N_LESSONS = 24, 1, 73, 40

AUGMENTATION = FaceAugmentation(rotation=15, scale=0.2, translation=0.1, brightness=0.3, contrast=0.3, erasing=0.3)
LOADERS = {
    "fer2013": {"image_size": 48, "detector": "centerface", "margin": 0.1, "align": False},
    "human-emotions": {"image_size": 48, "detector": "centerface", "margin": 0.05, "align": False},
}
TTA = {"fer2013": "crops", "human-emotions": "mirror"}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["fer2013", "human-emotions"])
    parser.add_argument("--fer2013", help="fer2013.csv or .npz, in the official order; for fer2013")
    parser.add_argument("--ferplus", help="ferplus_votes.npz: votes of ten annotators for each row; for fer2013")
    parser.add_argument("--photos", help="folder of the six emotions; for human-emotions")
    parser.add_argument("--seed", type=int, help="by default 2 for fer2013, 0 for human-emotions")
    parser.add_argument(
        "--n-seeds", type=int, default=3, help="number of seeds of the folds used to evaluate human-emotions"
    )
    parser.add_argument("--margin", type=float, help="margin of FaceLoader; by default, that of the package")
    parser.add_argument(
        "--align", action=argparse.BooleanOptionalAction, help="alignment by FaceLoader; by default, as in the package"
    )
    parser.add_argument(
        "--scores-only", action="store_true", help="print the scores for these parameters of FaceLoader, and stop"
    )
    parser.add_argument("--cache", type=Path, help="folder from which an interrupted run resumes; for human-emotions")
    parser.add_argument("--trained", type=Path, help="file of the trained network; for fer2013")
    parser.add_argument("--keep-weights", action="store_true", help="use the weights of the package; for fer2013")
    parser.add_argument(
        "--training-images-only", action="store_true", help="write which images the weights were trained on, and stop"
    )
    arguments = parser.parse_args()
    arguments.loader = LOADERS[arguments.name] | {
        key: value for key in ("margin", "align") if (value := getattr(arguments, key)) is not None
    }
    if arguments.seed is None:
        arguments.seed = {"fer2013": 2, "human-emotions": 0}[arguments.name]
    needs = {"fer2013": ["fer2013", "ferplus"], "human-emotions": ["photos"]}[arguments.name]
    for needed in needs[:1] if arguments.training_images_only else needs:
        if getattr(arguments, needed) is None:
            parser.error(f"{arguments.name} requires --{needed}")
    return arguments


def train_fer2013(training, votes, seed):
    """Train wide networks on labels and votes, and distill them into a narrow one; all-black faces are skipped."""
    faces, labels = training.data, np.asarray(training.target)
    seen = faces.reshape(len(faces), -1).max(axis=1) > 0
    faces, votes = faces[seen], votes[seen]
    classes, codes = np.unique(labels[seen], return_inverse=True)
    statistics = learn_pixel_statistics(faces, (0.0, 255.0))
    lessons = Lessons(faces, statistics, torch.device(choose_device("auto")))
    teachers = [
        learn_from_people(
            networks.ResNet(width, blocks_per_stage=n_blocks, dropout=0.3, pool=POOL),
            lessons,
            codes,
            votes,
            n_epochs=n_epochs,
            seed=teacher_seed,
        )[0]
        for width, n_blocks, n_epochs, teacher_seed in TEACHERS
    ]
    network = networks.ResNet(WIDTH, dropout=0.0, pool=POOL)
    module, history = learn_from_networks(
        network, lessons, teachers, len(classes), n_epochs=N_EPOCHS, n_lessons=N_LESSONS, seed=seed
    )
    weights = {
        name: (value[: len(classes)] if name.startswith("head") else value).cpu()
        for name, value in module.state_dict().items()
    }
    mean, std = statistics
    return {
        "weights": weights,
        "network": {"width": WIDTH, "pool": POOL},
        "classes": classes.tolist(),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "history": history,
        "training": {"seed": seed, "machine": describe_machine()},
    }


def make_human_emotions(seed):
    """Return the unfitted classifier, which starts from the features of `fer2013`."""
    return EmotionClassifier(
        networks.ResNet(pretrained="fer2013", dropout=0.2, body_rate=1.0),
        augmentation=AUGMENTATION,
        max_epochs=20,
        optimizer="sgd",
        learning_rate=0.02,
        ema=None,
        balance_batches=True,
        tta=TTA["human-emotions"],
        random_state=seed,
    )


def predict_folds(clf, faces, labels, groups, seed, memory):
    """Predict each photo with a network trained on the other folds, which share no group with it.

    Return the probabilities of both views, (2, n, n_classes), and macro F1 of each fold.
    """
    classes, predict = np.unique(labels), memory.cache(fit_and_predict_views)
    views, scores = np.zeros((2, len(faces), len(classes))), []
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(faces, labels, groups):
        start = time.perf_counter()
        views[:, test] = predict(clone(clf).set_params(random_state=seed), faces[train], labels[train], faces[test])
        predicted = classes[views[:, test].mean(axis=0).argmax(axis=1)]
        scores.append(f1_score(labels[test], predicted, average="macro"))
        print(f"seed {seed}: macro F1 {scores[-1]:.3f} ({time.perf_counter() - start:.0f} s)", flush=True)
    return views, scores


def fit_and_predict_views(clf, faces, labels, others):
    """Fit a classifier, and predict each view of other faces."""
    views = clf.tta
    return predict_views(clf.set_params(tta=None).fit(faces, labels), others, views)


def predict_views(clf, faces, tta):
    """Predict each view of the faces separately; return (n_views, n, n_classes)."""
    images = torch.from_numpy(faces)[:, None].float()
    return np.stack([clf.predict_proba(view[:, 0].numpy()) for view in make_views(images, tta)])


def find_temperature(views, labels, classes):
    """Return the temperature that minimizes the log loss of the mean softmax over views."""

    def loss(log_temperature):
        return log_loss(labels, scale_probabilities(views, np.exp(log_temperature)), labels=classes)

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))


def scale_probabilities(views, temperature):
    """Return the mean over views of the probabilities rescaled by a temperature."""
    powers = [np.clip(view, 1e-12, 1) ** (1 / temperature) for view in views]
    return np.mean([power / power.sum(axis=1, keepdims=True) for power in powers], axis=0)


def include_temperature(weights, temperature):
    """Divide the weights of the last layer by the temperature, so that prediction needs no extra step."""
    return {name: value / temperature if name.startswith("head.") else value for name, value in weights.items()}


def measure(labels, probabilities, classes):
    """Compute the scores of a model card."""
    predicted = classes[probabilities.argmax(axis=1)]
    return {
        **score(labels, probabilities, classes),
        "expected calibration error": expected_calibration_error(labels, probabilities, classes=classes),
        "recall": dict(zip(classes, recall_score(labels, predicted, average=None, labels=classes), strict=True)),
    }


def predict_in_8_bits(model, calibration, faces):
    """Predict with the ONNX network quantized to 8 bits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        export_onnx(model, path, calibration=calibration)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        batches = [faces[start : start + 64] for start in range(0, len(faces), 64)]
        return np.concatenate([session.run(None, {"images": batch})[0] for batch in batches])


def write_model(name, trained, loader):
    """Write weights and metadata; return the model as loaded by users, in half precision."""
    about = {key: trained[key] for key in ("network", "classes", "mean", "std", "history", "training")}
    about |= {"classifier": {"tta": TTA[name]}, "loader": loader, "image_shape": [loader["image_size"]] * 2}
    # Half precision does not change the scores.
    halved = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in trained["weights"].items()
    }
    path = FOLDER / f"{name}.safetensors"
    save_file(halved, path, metadata={"sk_emotion": json.dumps(about)})
    path.chmod(0o644)
    print(path)
    return load_pretrained(name)


def write_training_images(name, training, validation=None, pretrained=()):
    """Write the fingerprints of the images that a model was trained on, and on which choices were made."""
    model = load_pretrained(name)
    taken = [[] if part is None else [take_fingerprints(part, model, name)[0]] for part in (training, validation)]
    path = FOLDER / f"{name}{ENDING}"
    path.write_bytes(TrainingImages(*map(Fingerprints.join, taken), pretrained=pretrained).to_json())
    print(path)


def make_fer2013(arguments):
    training, public_test = (load_fer2013(arguments.fer2013, subset=subset) for subset in ("train", "validation"))
    if arguments.training_images_only:
        write_training_images("fer2013", training, public_test)
        return
    faces, labels = public_test.data, np.asarray(public_test.target)
    photos = [enlarge(face) for face in faces]
    loader = FaceLoader(**arguments.loader)
    if arguments.scores_only:
        loaded = loader.fit(photos).load(photos)
        clf = load_pretrained("fer2013")[-1]
        print(measure(labels, clf.predict_proba(loaded.images), clf.classes_), f"{loaded.found.mean():.3f} found")
        return
    if arguments.keep_weights:
        weights, about = read_weights("fer2013")
        trained = {**about, "weights": weights}
        temperature = about["training"]["temperature"]
    elif arguments.trained and arguments.trained.exists():
        trained, temperature = torch.load(arguments.trained), None
    else:
        votes = np.load(arguments.ferplus)["votes"][: len(training.data)]
        trained, temperature = train_fer2013(training, votes, arguments.seed), None
        if arguments.trained:
            torch.save(trained, arguments.trained)
    clf = write_model("fer2013", trained, arguments.loader)[-1].set_params(tta=None)
    views = predict_views(clf, faces, TTA["fer2013"])
    if temperature is None:
        temperature = find_temperature(views, labels, clf.classes_)
        trained["weights"] = include_temperature(trained["weights"], temperature)
        trained["training"]["temperature"] = temperature
    else:
        views = [scale_probabilities([view], 1 / temperature) for view in views]
    uncalibrated = measure(labels, np.mean(views, axis=0), clf.classes_)["expected calibration error"]
    model = write_model("fer2013", trained, arguments.loader)
    write_training_images("fer2013", training, public_test)
    probabilities = model.predict_proba(faces)
    known = {face.tobytes() for face in training.data}
    new = np.array([face.tobytes() not in known for face in faces])
    measures = {
        "as shipped": measure(labels, probabilities, clf.classes_),
        "without copies": measure(labels[new], probabilities[new], clf.classes_),
        "enlarged": measure(labels, model.predict_proba(photos), clf.classes_),
    }
    in_8_bits = predict_in_8_bits(model, training.data[:512], faces)
    measures["8 bits"] = measure(labels, in_8_bits, clf.classes_)
    for tta in (other for other in (None, "mirror", "crops") if other != TTA["fer2013"]):
        one = model.set_params(emotionclassifier__tta=tta).predict_proba(faces)
        measures[f"tta={tta}"] = measure(labels, one, clf.classes_)
    model.set_params(emotionclassifier__tta=TTA["fer2013"])
    write_card(
        "fer2013",
        model[-1],
        measures,
        loader=arguments.loader,
        training=trained["training"],
        judged=JUDGED["fer2013"],
        mistakes=name_mistakes(labels, clf.classes_[probabilities.argmax(axis=1)], clf.classes_),
        comparison="",
        uncalibrated=uncalibrated,
    )


def enlarge(face):
    """Return a photo of a face of FER2013, surrounded by its repeated edge, in which it has to be detected again."""
    photo = Image.fromarray(np.pad(face, len(face) // 2, mode="edge"))
    return photo.resize((384, 384), Image.Resampling.BICUBIC)


def make_human(arguments):
    """Evaluate in folds, over three seeds and against two others, then train on all photos."""
    photos = load_face_folder(arguments.photos)
    if arguments.training_images_only:
        write_training_images("human-emotions", photos, pretrained=("fer2013",))
        return
    labels, groups = np.asarray(photos.target), np.asarray(photos.groups)
    memory = Memory(arguments.cache, verbose=0)
    loader = FaceLoader(**arguments.loader, cache=arguments.cache and arguments.cache / "faces")
    loaded = loader.fit(photos.data).load(photos.data)
    faces, found = loaded.images, loaded.found
    clf = make_human_emotions(arguments.seed)
    folds = [predict_folds(clf, faces, labels, groups, seed, memory) for seed in range(arguments.n_seeds)]
    scores = np.array([scores for _, scores in folds])
    print(f"{arguments.loader}: macro F1 {scores.mean():.3f} ± {scores.std(ddof=1):.3f}, {found.sum()} faces found")
    if arguments.scores_only:
        return
    # From scratch, the default recipe and more epochs are better.
    scratch = {"network": networks.ResNet(), "max_epochs": 40, "balance_batches": True, "tta": TTA["human-emotions"]}
    contenders = {
        "fine-tuned": clf,
        "from scratch": EmotionClassifier(**scratch, random_state=arguments.seed),
        "HOG+SVM": make_hog_svm(),
    }
    comparison = memory.cache(compare_classifiers, ignore=["verbose"])(
        contenders, faces, labels, groups=groups, cv=5, random_state=arguments.seed, verbose=1
    )
    covered = faces.copy()
    covered[:, 4:-4, 4:-4] = 128
    _, rest = predict_folds(clf, covered, labels, groups, arguments.seed, memory)
    # Estimate the temperature in the folds of all seeds, because the final network is trained on all photos.
    classes, views = np.unique(labels), np.concatenate([part for part, _ in folds], axis=1)
    repeated = np.tile(labels, len(folds))
    temperature = find_temperature(views, repeated, classes)
    uncalibrated = measure(repeated, views.mean(axis=0), classes)["expected calibration error"]
    calibrated = [scale_probabilities(part, temperature) for part, _ in folds]
    clf.fit(faces, labels)
    preparation = clf.net_.preparation
    trained = {
        "weights": include_temperature(clf.net_.module_.state_dict(), temperature),
        "network": {name: getattr(clf.network_, name) for name in ("width", "pool", "dropout")},
        "classes": clf.classes_.tolist(),
        "mean": preparation.mean.tolist(),
        "std": preparation.std.tolist(),
        "history": clf.history_,
        "training": {"seed": arguments.seed, "machine": describe_machine(), "temperature": temperature},
    }
    measures = {f"seed {seed}": measure(labels, part, classes) for seed, part in enumerate(calibrated)}
    measures["a face was seen"] = measure(labels[found], calibrated[0][found], classes)
    write_model("human-emotions", trained, arguments.loader)
    write_training_images("human-emotions", photos, pretrained=("fer2013",))
    write_card(
        "human-emotions",
        clf,
        measures,
        loader=arguments.loader,
        training=trained["training"],
        judged=JUDGED["human-emotions"].format(
            n_seeds=len(folds),
            scores=f"The macro F1\nscore per fold is {scores.mean():.3f} ± {scores.std(ddof=1):.3f} (mean and standard "
            f"deviation over {scores.size} folds). With the face covered, a network scores\n{np.mean(rest):.3f}: that "
            "much can be predicted from the surroundings of the face. A face was detected in "
            f"{found.sum()} of {len(faces)} photos; the\nothers are center-cropped.",
        ),
        comparison=f"\nComparison on the same folds and with the same face detection:\n\n```\n{comparison}\n```\n",
        mistakes=name_mistakes(labels, classes[calibrated[0].argmax(axis=1)], classes),
        uncalibrated=uncalibrated,
    )


def main() -> None:
    arguments = parse_arguments()
    start = time.perf_counter()
    {"fer2013": make_fer2013, "human-emotions": make_human}[arguments.name](arguments)
    print(f"{(time.perf_counter() - start) / 60:.1f} min")


if __name__ == "__main__":
    main()
