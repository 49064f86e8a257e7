"""
Week 4: where the network looks
===============================

A score says how often a network is right, not why. The last page looks at its mistakes, and at the parts of a face that
decide.
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
    optimizer="adamw",
    learning_rate=0.01,
    augmentation=gentle,
    max_epochs=15,
    random_state=0,
)
network.fit(X_train, y_train)
print(f"Right on new people: {network.score(X_test, y_test):.2f}")

# %%
# Mistakes first
# --------------
#
# The faces that the network was surest of, and wrong. On real photos, many of these are wrong labels.

FaceGridDisplay.from_estimator(network, X_test, y_test, n_faces=12, order="mistakes")
plt.show()

# %%
# What speaks for the answer
# --------------------------
#
# Grad-CAM asks the network which places of its last feature map speak for the class. Here it is asked about a face of
# each emotion that it told rightly.

right = network.predict(X_test) == y_test
some = X_test[[(right & (y_test == emotion)).argmax() for emotion in emotions]]
GradCAMDisplay.from_estimator(network, some)
plt.show()

# %%
# What happens when it is covered
# -------------------------------
#
# A patch covers one part after the other. Where the probability drops most, the network needs that part. It
# works for any classifier.

OcclusionDisplay.from_estimator(network, some)
plt.show()

# %%
# Is the map about what was learned?
# ----------------------------------
#
# The maps of a network with random weights should look different. 1 would mean that they are the same.

print(check_randomization(network, some))

# %%
# Exercises
# ---------
#
# 1. Grad-CAM has a ``target``: ask for the evidence for *pain* in a happy face.
# 2. Draw a white square into one corner of all *sad* faces, and train again. Do the displays find it? Does the score?
# 3. Compare the maps of the network with those of HOG+SVM (``OcclusionDisplay`` takes both).
