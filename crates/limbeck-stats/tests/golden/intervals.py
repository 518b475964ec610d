"""Golden intervals for limbeck-stats, from scipy and statsmodels, or from an interval's definition.

    python intervals.py > intervals.json

Needs numpy, scipy, statsmodels and pandas.
"""

import json

import numpy as np
import pandas as pd
import scipy
import statsmodels
import statsmodels.api as sm
from scipy import optimize, stats
from statsmodels.formula.api import ols
from statsmodels.stats.proportion import proportion_confint

rng = np.random.default_rng(11)


def listed(values):
    return [round(float(v), 4) for v in values]


def log_likelihood(q, d, b, c, n):
    """Of q = P(only second right) when P(only first right) = q + d."""
    both = np.clip([q + d, q, 1 - 2 * q - d], 1e-300, None)
    return b * np.log(both[0]) + c * np.log(both[1]) + (n - b - c) * np.log(both[2])


def tango(b, c, n, confidence):
    """The differences that the score test does not reject, q found by maximising the likelihood."""
    z = stats.norm.ppf((1 + confidence) / 2)

    def statistic(d):
        low, high = max(0.0, -d), (1 - d) / 2
        q = optimize.minimize_scalar(lambda q: -log_likelihood(q, d, b, c, n), bounds=(low, high),
                                     method="bounded", options={"xatol": 1e-14}).x
        return (b - c - n * d) / np.sqrt(n * (2 * q + d * (1 - d)))

    value, edge = (b - c) / n, 1e-9
    low = optimize.brentq(lambda d: statistic(d) - z, -1 + edge, value - edge, xtol=1e-12)
    high = optimize.brentq(lambda d: statistic(d) + z, value + edge, 1 - edge, xtol=1e-12)
    return [float(low), float(high)]


def fieller(x, y, confidence):
    """The ratios r for which x - r y has a mean that Student's test does not reject."""
    x, y = np.array(x), np.array(y)
    t = stats.t.ppf((1 + confidence) / 2, len(x) - 1)

    def excess(r):
        d = x - r * y
        return d.mean() ** 2 - t ** 2 * d.var(ddof=1) / len(d)

    value = x.mean() / y.mean()
    return [float(optimize.brentq(excess, value - 2, value)), float(optimize.brentq(excess, value, value + 2))]


def studentised(values, confidence, resamples=200_000):
    x = np.array(values)
    draws = np.random.default_rng(1).integers(0, len(x), (resamples, len(x)))
    error = lambda v: v.std(axis=-1, ddof=1) / np.sqrt(v.shape[-1])
    t = (x[draws].mean(axis=1) - x.mean()) / error(x[draws])
    low, high = np.quantile(t, [(1 - confidence) / 2, (1 + confidence) / 2])
    student = stats.t.ppf((1 + confidence) / 2, len(x) - 1)
    return [float(x.mean() - max(high, student) * error(x)), float(x.mean() - min(low, -student) * error(x))]


few = listed(rng.normal(0.4, 0.2, 5))
below = listed(rng.normal(1.0, 0.1, 5))
skewed = listed(rng.gamma(0.8, 2, 25))
layout = [listed(row) for row in rng.normal(0, 0.8, (4, 1)) + rng.normal(0, 1, (1, 12)) + rng.normal(0, 0.5, (4, 12))]
table = pd.DataFrame([(s, i, y) for s, row in enumerate(layout) for i, y in enumerate(row)], columns=["s", "i", "y"])
anova = sm.stats.anova_lm(ols("y ~ C(s) + C(i)", table).fit())
square = anova["sum_sq"] / anova["df"]
a, b, e = (float(square[k]) for k in ("C(s)", "C(i)", "Residual"))

found = {
    "made_with": {"numpy": np.__version__, "scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
    "wilson": [[k, n, c, *map(float, proportion_confint(k, n, 1 - c, "wilson"))]
               for k, n, c in ((0, 3, .95), (1, 20, .95), (7, 10, .9), (511, 512, .95), (512, 512, .99))],
    "clopper_pearson": [[k, n, c, *map(float, proportion_confint(k, n, 1 - c, "beta"))]
                        for k, n, c in ((0, 3, .95), (1, 20, .95), (7, 10, .9), (511, 512, .95), (512, 512, .99))],
    "tango": [[b_, c_, n, c, *tango(b_, c_, n, c)]
              for b_, c_, n, c in ((12, 3, 50, .95), (4, 4, 20, .9), (1, 0, 100, .95), (30, 42, 512, .99))],
    "few": few, "below": below, "skewed": skewed, "layout": layout,
    "student": [float(v) for v in stats.t.interval(.95, 4, np.mean(few), stats.sem(few))],
    "fieller": fieller(few, below, .95),
    "studentised": studentised(skewed, .95),
    "t_quantiles": [[p, df, float(stats.t.ppf((1 + p) / 2, df))]
                    for p, df in ((.95, 1), (.95, 2), (.99, 2.5), (.9, 30), (.95, 1e9))],
    "mean_squares": [a, b, e],
    "variances": [max(0.0, (a - e) / 12), max(0.0, (b - e) / 4), e],
}
print("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in found.items()) + "\n}")
