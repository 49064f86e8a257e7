"""
Week 2: linear regression
=========================

A number is predicted from other numbers: the price of a flat from its size, age and distance to the centre. The data
are made here, so that we know what the model should find. First look, then fit, then judge.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error, mean_squared_error
from sklearn.model_selection import train_test_split

rng = np.random.default_rng(0)
n = 400
flats = pd.DataFrame(
    {
        "size": rng.gamma(9, 8, n).clip(18, 180),  # square metres
        "age": rng.integers(0, 90, n),  # years
        "distance": rng.exponential(4, n).clip(0.2, 20),  # kilometres to the centre
    }
)
# In thousands: 3 a square metre, -0.6 a year, -6 a kilometre, and what nobody measured.
flats["price"] = 90 + 3 * flats["size"] - 0.6 * flats["age"] - 6 * flats["distance"] + rng.normal(0, 25, n)
# As in every real table, some cells are empty.
flats.loc[rng.choice(n, 12, replace=False), "age"] = np.nan
flats.head()

# %%
# Look first
# ----------
#
# How many rows, what is missing, which ranges, what goes with what?

print(flats.isna().sum().to_string())
flats.describe().round(1)

# %%

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True, layout="constrained")
for ax, name in zip(axes, ["size", "age", "distance"], strict=True):
    ax.scatter(flats[name], flats["price"], s=6)
    ax.set(xlabel=name, title=f"correlation {flats[name].corr(flats['price']):.2f}")
axes[0].set_ylabel("price (thousands)")
plt.show()

# %%
# Fit
# ---
#
# The median that fills the empty cells comes from the training part alone: the test part is opened once, at the end.

train, test = train_test_split(flats, test_size=0.25, random_state=0)
median = train["age"].median()
train, test = train.fillna({"age": median}), test.fillna({"age": median})
features = ["size", "age", "distance"]
model = LinearRegression().fit(train[features], train["price"])
baseline = DummyRegressor().fit(train[features], train["price"])  # says the mean of the training prices to all
print(pd.Series(model.coef_, index=features).round(2).to_string())

# %%
# The coefficients are near 3, -0.6 and -6, with which the prices were made.
#
# Judge
# -----
#
# *MAE* is the mean error in thousands. *MSE* squares errors, so that a large one counts more; its root is in thousands
# again. *MAPE* is the mean error as a share of the price, which is large where prices are near 0.

measures = {"MAE": mean_absolute_error, "MSE": mean_squared_error, "MAPE": mean_absolute_percentage_error}
scores = pd.DataFrame(
    {
        name: {label: measure(test["price"], judged.predict(test[features])) for label, measure in measures.items()}
        for name, judged in (("mean price", baseline), ("linear regression", model))
    }
).T
scores["root of MSE"] = np.sqrt(scores["MSE"])
scores.round(2)

# %%
# Look at the errors too. A pattern in them is something the model has not learned.

predicted = model.predict(test[features])
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.scatter(test["price"], predicted, s=8)
left.axline((300, 300), slope=1, color="0.6")
left.set(xlabel="price", ylabel="predicted")
right.scatter(predicted, test["price"] - predicted, s=8)
right.axhline(0, color="0.6")
right.set(xlabel="predicted", ylabel="error")
plt.show()

# %%
# Exercises
# ---------
#
# 1. The noise has a standard deviation of 25. Why can no model have a root of MSE much below it?
# 2. Make one price ten times too high. How much do MAE and MSE change? Which one would you report?
# 3. Make the price depend on the *square* of the distance. Find it in the plot of the errors, and mend it with a new
#    column.
# 4. Predict the brightness of a drawn face (``X.mean(axis=(1, 2))``) from its upper half. Which pixels matter?
