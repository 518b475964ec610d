"""Golden values for limbeck-stats, from numpy and scipy.

    python statistics.py > statistics.json

Needs numpy and scipy. Inputs are rounded so that the file stays readable.
"""

import json

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(7)


def listed(values):
    return [round(float(v), 4) for v in values]


def gini(values):
    """Mean absolute difference of all pairs over twice the mean: the definition, not the sorted form."""
    x = np.asarray(values)
    return float(np.abs(x[:, None] - x[None, :]).mean() / (2 * x.mean()))


def severity(damages, alpha):
    m = np.asarray(damages)
    return float(np.mean((np.maximum(0, np.minimum(100, m) - 20) / 80) ** alpha))


def ece(confidences, correct, bins=15):
    """After the reference code of Guo et al. 2017: bins (lower, upper]."""
    confidences, correct = np.asarray(confidences), np.asarray(correct, float)
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for lower, upper in zip(edges[:-1], edges[1:]):
        inside = (confidences > lower) & (confidences <= upper)
        if inside.any():
            total += abs(confidences[inside].mean() - correct[inside].mean()) * inside.mean()
    return float(total)


def interval(result):
    return {"low": float(result.confidence_interval.low), "high": float(result.confidence_interval.high)}


def boot(data, statistic, **how):
    return interval(stats.bootstrap(data, statistic, n_resamples=200_000, batch=5_000,
                                    method="percentile", rng=np.random.default_rng(1), **how))


damages = listed(np.clip(rng.gamma(0.6, 18, 72), 0, 100))
first = listed(rng.normal(0.3, 1, 60))
second = listed(0.6 * np.array(first) + rng.normal(0, 0.7, 60))
tied = [float(v) for v in rng.integers(0, 6, 40)]
tied_with = [float(v) for v in rng.integers(0, 6, 40)]
few = listed(rng.normal(0.5, 0.8, 11))
confidences = listed(rng.uniform(0.05, 1, 400))
correct = [bool(v) for v in rng.uniform(0, 1, 400) < np.array(confidences) ** 1.5]
sums = listed(rng.gamma(2, 4, 50))
counts = [float(v) for v in rng.integers(1, 30, 50)]
right_a = [bool(v) for v in rng.uniform(0, 1, 80) < 0.8]
right_b = [bool(v) for v in rng.uniform(0, 1, 80) < 0.65]


def mcnemar(a, b):
    a, b = np.asarray(a), np.asarray(b)
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    return {"only_first": only_a, "only_second": only_b,
            "p_value": float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)}


def spearman(x, y):
    found = stats.spearmanr(x, y)
    return {"rho": float(found.statistic), "p_value": float(found.pvalue)}


flip = stats.permutation_test((np.array(few),), lambda x, axis: x.mean(axis=axis),
                              permutation_type="samples", n_resamples=np.inf, vectorized=True)

found = {
    "made_with": {"numpy": np.__version__, "scipy": scipy.__version__},
    "damages": damages, "first": first, "second": second, "tied": tied, "tied_with": tied_with,
    "few": few, "confidences": confidences, "correct": correct, "sums": sums, "counts": counts,
    "right_a": right_a, "right_b": right_b,
    "gini": gini(damages),
    "severity_1": severity(damages, 1.0),
    "severity_2": severity(damages, 2.0),
    "worst_5_percent": float(np.sort(damages)[::-1][:int(np.ceil(0.05 * len(damages)))].mean()),
    "ece": ece(confidences, correct),
    "quantiles": [[q, float(np.quantile(damages, q))] for q in (0.0, 0.025, 0.31, 0.5, 0.975, 1.0)],
    "mean": float(np.mean(damages)),
    "spearman": spearman(first, second),
    "spearman_tied": spearman(tied, tied_with),
    "mcnemar": mcnemar(right_a, right_b),
    "sign_flip": float(flip.pvalue),
    "bootstrap_mean": boot((first,), np.mean),
    "bootstrap_difference": boot((np.array(first) - np.array(second),), np.mean),
    "bootstrap_ratio": boot((sums, counts), lambda s, c, axis: s.sum(axis=axis) / c.sum(axis=axis),
                            paired=True),
    "bootstrap_gini": boot((damages,), lambda x, axis: (
        (2 * np.arange(1, x.shape[-1] + 1) - x.shape[-1] - 1) * np.sort(x, axis=-1)
    ).sum(axis=-1) / (x.shape[-1] * x.sum(axis=-1))),
}
# One line a key.
print("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in found.items()) + "\n}")
