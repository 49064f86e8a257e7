"""
Week 4: where the network looks
===============================

A score shows how often a network is correct, but not why. The last page shows its mistakes and the image regions that
determine its predictions.
"""

import matplotlib.pyplot as plt

import sk_emotion as ske
from sk_emotion.inspection import FaceGridDisplay, GradCAMDisplay, OcclusionDisplay, check_randomization

emotions = ["anger", "happiness", "pain", "sadness"]
X, y, people = ske.make_faces(600, emotions=emotions, random_state=0)
X_train, X_val, X_test, y_train, y_val, y_test = ske.train_val_test_split(X, y, groups=people, random_state=0)
gentle = ske.FaceAugmentation(rotation=5, scale=0.05, translation=0.05, erasing=0)
network = ske.EmotionClassifier(
    ske.networks.ResNet(width=8),
    learning_rate=0.01,
    augmentation=gentle,
    max_epochs=15,
    random_state=0,
)
network.fit(X_train, y_train)
print(f"Accuracy on new people: {network.score(X_test, y_test):.2f}")

# %%
# Mistakes
# --------
#
# Misclassified faces with the highest confidence. In real photos, many of these are wrong labels.

FaceGridDisplay.from_estimator(network, X_test, y_test, n_faces=12, order="mistakes")
plt.show()

# %%
# Grad-CAM
# --------
#
# Grad-CAM shows which positions of the last feature map support the class. Here it is applied to one correctly
# classified face per emotion.

right = network.predict(X_test) == y_test
some = X_test[[(right & (y_test == emotion)).argmax() for emotion in emotions]]
GradCAMDisplay.from_estimator(network, some)
plt.show()

# %%
# Occlusion
# ---------
#
# A patch covers one part of the image at a time. A large drop of the probability means that the network needs that
# part. This works for any classifier.

OcclusionDisplay.from_estimator(network, some)
plt.show()

# %%
# Sanity check
# ------------
#
# The maps of a network with random weights should look different. A similarity of 1 means that they are identical.

print(check_randomization(network, some, random_state=0))

# %%
# Exercises
# ---------
#
# 1. Use the parameter ``target`` of Grad-CAM to show the evidence for *pain* in a happy face.
# 2. Draw a white square in one corner of all *sad* faces, and train again. Do the displays reveal it? Does the score?
# 3. Compare the maps of the network with those of HOG+SVM (``OcclusionDisplay`` supports both).
