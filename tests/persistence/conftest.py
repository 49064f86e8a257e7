import onnx
import pytest
from onnx_graphs import SHIPPED
from saved_models import MODELS, make_classifier

from sk_emotion import OnnxClassifier, load_model, make_faces, make_hog_svm, save_model
from sk_emotion.exceptions import ModelFileError


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


@pytest.fixture
def model():
    """Return a graph of the package, to be changed by a test."""
    return onnx.load(SHIPPED)


@pytest.fixture
def refuse(tmp_path):
    """Return a function that writes a file, and checks that it is rejected and nothing is written."""

    def check(content, message):
        path = tmp_path / "changed.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        for load in (load_model, OnnxClassifier(path).fit):
            with pytest.raises(ModelFileError, match=message) as caught:
                load(*([path] if load is load_model else []))
            assert "changed.onnx" in str(caught.value) and str(caught.value).isprintable()
            assert len(str(caught.value)) < 500
        assert list(tmp_path.iterdir()) == [path]

    return check
