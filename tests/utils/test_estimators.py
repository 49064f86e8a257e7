import numpy as np
import pytest

from sk_emotion import EmotionClassifier, FaceLoader, networks


@pytest.mark.parametrize(
    ("estimator", "new"),
    [
        (EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0), "checkpoint_dir"),
        (FaceLoader(image_size=24), "max_pixels"),
    ],
)
def test_state_of_an_older_version_gets_the_parameters_that_it_lacks(estimator, new, faces):
    X, y, _ = faces
    estimator.fit(X, y)
    state = dict(estimator.__getstate__())
    del state[new]
    restored = type(estimator).__new__(type(estimator))
    restored.__setstate__(state)
    assert restored.get_params()[new] == type(estimator)().get_params()[new]
    answer = "predict_proba" if hasattr(estimator, "predict_proba") else "transform"
    np.testing.assert_array_equal(getattr(restored, answer)(X), getattr(estimator, answer)(X))
