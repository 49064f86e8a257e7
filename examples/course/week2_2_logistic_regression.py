"""
Week 2: logistic regression
===========================

Now a class is predicted, not a number: happy or sad? Logistic regression takes a weighted sum of the pixels and makes a
probability of it. The weights are a picture, so that we can see what was learned.
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
print(f"Training part: {model.score(X_train, y_train):.2f}, test part: {model.score(X_test, y_test):.2f}")

# %%
# From sum to probability
# -----------------------
#
# The model adds up ``pixel * weight``; the logistic function ``1 / (1 + exp(-sum))`` makes a number between 0 and 1 of
# the sum.

scaler, regression = model.named_steps.values()
sums = scaler.transform(X_test) @ regression.coef_[0] + regression.intercept_[0]
by_hand = 1 / (1 + np.exp(-sums))
print("Same as predict_proba:", np.allclose(by_hand, model.predict_proba(X_test)[:, 1]))

figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 2.9), layout="constrained")
limit = np.abs(regression.coef_).max()
shown = left.imshow(regression.coef_.reshape(32, 32), cmap="RdBu_r", vmin=-limit, vmax=limit)
left.axis("off")
left.set_title("bright here is happy (blue)\nor sad (red)", fontsize=10)
figure.colorbar(shown, ax=left, label="weight")
for emotion in model.classes_:
    right.hist(by_hand[y_test == emotion], bins=np.linspace(0, 1, 21), alpha=0.6, label=emotion)
right.set(xlabel="probability of sadness", ylabel="faces")
right.legend()
plt.show()

# %%
# How strongly to hold back
# -------------------------
#
# ``C`` is the inverse strength of the regularisation. If it is large, 1024 weights learn the training faces by heart;
# if it is small, they learn nothing. Cross-validation on the training part chooses, and nobody is on both sides of a
# fold.

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
ax.legend(["faces trained on", "other people"])
plt.show()
print(search.best_params_)

# %%
# Judge
# -----

report = ske.EmotionReport.from_estimator(search, X_test, y_test, groups=people[test])
print(report)

# %%
# Exercises
# ---------
#
# 1. In the picture of weights, find the corners of the mouth and the brows. Why do they have opposite signs?
# 2. Put a :class:`~sk_emotion.HOGTransformer` in place of the pixels. What becomes of the gap between both curves?
# 3. Take all six emotions. Logistic regression then has a picture of weights for each: draw the six.
# 4. Take out the *sad* faces of half of the people, and train again. What does the confusion matrix say?
