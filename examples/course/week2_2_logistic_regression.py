"""
Week 2: logistic regression
===========================

Logistic regression predicts a class instead of a number: happy or sad? It converts a weighted sum of the pixels to a
probability. The weights can be plotted as an image that shows what was learned.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sk_emotion as ske

X, y, people = ske.make_faces(800, emotions=["happiness", "sadness"], image_size=32, random_state=0)
X_train, _, X_test, y_train, _, y_test, train, _, test = ske.train_val_test_split(
    X.reshape(len(X), -1), y, groups=people, return_indices=True, random_state=0
)
model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)).fit(X_train, y_train)
print(f"Training accuracy: {model.score(X_train, y_train):.2f}, test accuracy: {model.score(X_test, y_test):.2f}")

# %%
# From sum to probability
# -----------------------
#
# The model computes the sum of ``pixel * weight``; the logistic function ``1 / (1 + exp(-sum))`` maps it to a number
# between 0 and 1.

scaler, regression = model.named_steps.values()
sums = scaler.transform(X_test) @ regression.coef_[0] + regression.intercept_[0]
by_hand = 1 / (1 + np.exp(-sums))
print("Same as predict_proba:", np.allclose(by_hand, model.predict_proba(X_test)[:, 1]))

figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 2.9), layout="constrained")
limit = np.abs(regression.coef_).max()
shown = left.imshow(regression.coef_.reshape(32, 32), cmap="RdBu_r", vmin=-limit, vmax=limit)
left.axis("off")
left.set_title("bright pixels indicate happy (blue)\nor sad (red)", fontsize=10)
figure.colorbar(shown, ax=left, label="weight")
for emotion in model.classes_:
    right.hist(by_hand[y_test == emotion], bins=np.linspace(0, 1, 21), alpha=0.6, label=emotion)
right.set(xlabel="probability of sadness", ylabel="faces")
right.legend()
plt.show()

# %%
# Regularization
# --------------
#
# ``C`` is the inverse regularization strength. If it is large, the 1024 weights memorize the training faces; if it is
# small, they learn nothing. It is chosen by cross-validation on the training set, with no person on both sides of a
# split.

search = GridSearchCV(
    model,
    {"logisticregression__C": np.logspace(-6, 0, 7)},
    cv=GroupKFold(4),
    return_train_score=True,
    scoring="accuracy",
)
search.fit(X_train, y_train, groups=people[train])
results = pd.DataFrame(search.cv_results_)
ax = results.plot(
    x="param_logisticregression__C",
    y=["mean_train_score", "mean_test_score"],
    logx=True,
    marker="o",
    figsize=(5.5, 2.8),
    xlabel="C",
    ylabel="accuracy",
)
ax.legend(["training faces", "other people"])
plt.show()
print(search.best_params_)

# %%
# Evaluate
# --------

report = ske.EmotionReport.from_estimator(search, X_test, y_test, groups=people[test], random_state=0)
print(report)

# %%
# Exercises
# ---------
#
# 1. In the image of the weights, find the corners of the mouth and the brows. Why do they have opposite signs?
# 2. Replace the pixels by features of :class:`~sk_emotion.HOGTransformer`. How does the gap between the curves change?
# 3. Use all six emotions. Logistic regression then has one image of weights per class: plot all six.
# 4. Remove the *sad* faces of half of the people, and train again. What does the confusion matrix show?
