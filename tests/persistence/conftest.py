import pytest
from saved_models import MODELS, make_classifier

from sk_emotion import (
    make_faces,
    make_hog_svm,
    save_model,
)


@pytest.fixture(scope="session")
def few():
    return make_faces(36, emotions=["happiness", "pain"], image_size=24, noise=2, random_state=0)


@pytest.fixture(scope="session")
def saved(few, tmp_path_factory):
    """Fitted models, and the folder to which they are saved."""
    X, y, groups = few
    folder = tmp_path_factory.mktemp("models")
    models = {}
    for name, (make, convert_X, convert_y) in MODELS.items():
        fit_params = {"groups": groups} if name == "search" else {}
        models[name] = make().fit(convert_X(X), convert_y(y), **fit_params)
        save_model(models[name], folder / name)
    return models, folder


@pytest.fixture(scope="session")
def svm(few):
    X, y, _ = few
    return make_hog_svm(image_size=24, probability=False).fit(X, y)


@pytest.fixture(scope="session")
def trained(few):
    X, y, _ = few
    return make_classifier().fit(X, y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skops"
