"""One network, asked from several threads at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sk_emotion import EmotionClassifier, networks


@pytest.mark.parametrize("size", [12, 24])
@pytest.mark.parametrize("method", ["embed", "predict_proba"])
def test_each_thread_gets_what_it_asked_for(faces, size, method):
    X, y, _ = faces
    images = X[:, :size, :size]
    clf = EmotionClassifier(networks.ResNet(width=4), max_epochs=1, random_state=0).fit(images, y)
    parts = np.array_split(images, 4)
    expected = [getattr(clf, method)(part) for part in parts]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: getattr(clf, method)(parts[number % 4]), range(60)))
    for number, answer in enumerate(found):
        np.testing.assert_allclose(answer, expected[number % 4], atol=1e-4)
