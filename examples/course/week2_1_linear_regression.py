"""
Week 2: linear regression
=========================

Linear regression predicts a number from other numbers: the price of an apartment from its size, age and distance to the
center. The data are simulated, so the true coefficients are known. First explore, then fit, then evaluate.
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
        "size": rng.gamma(9, 8, n).clip(18, 180),  # square meters
        "age": rng.integers(0, 90, n),  # years
        "distance": rng.exponential(4, n).clip(0.2, 20),  # kilometers to the center
    }
)
# In thousands: 3 per square meter, -0.6 per year, -6 per kilometer, plus noise.
flats["price"] = 90 + 3 * flats["size"] - 0.6 * flats["age"] - 6 * flats["distance"] + rng.normal(0, 25, n)
# As in most real tables, some values are missing.
flats.loc[rng.choice(n, 12, replace=False), "age"] = np.nan
flats.head()

# %%
# Explore
# -------
#
# Look at missing values, ranges and correlations.

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
# Missing values are replaced by the median of the training set: the test set is used only once, at the end.

train, test = train_test_split(flats, test_size=0.25, random_state=0)
median = train["age"].median()
train, test = train.fillna({"age": median}), test.fillna({"age": median})
features = ["size", "age", "distance"]
model = LinearRegression().fit(train[features], train["price"])
baseline = DummyRegressor().fit(train[features], train["price"])  # always predicts the mean training price
print(pd.Series(model.coef_, index=features).round(2).to_string())

# %%
# The coefficients are close to the true values 3, -0.6 and -6.
#
# Evaluate
# --------
#
# *MAE* is the mean absolute error in thousands. *MSE* is the mean squared error, which gives large errors more weight;
# its root is in thousands again. *MAPE* is the mean absolute error relative to the price, large for prices near 0.

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
# Plot the residuals as well. A pattern in them shows what the model has not learned.

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
# 2. Multiply one price by ten. How much do MAE and MSE change? Which one would you report?
# 3. Make the price depend on the *square* of the distance. Find the effect in the plot of the residuals, and add a
#    feature to correct it.
# 4. Predict the brightness of a synthetic face (``X.mean(axis=(1, 2))``) from its upper half. Which pixels matter?
