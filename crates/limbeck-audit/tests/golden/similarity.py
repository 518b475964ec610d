"""Makes similarity.json: similarities of outputs by numpy and scipy, straight from their definitions.

    python similarity.py        (numpy, scipy)
"""

import json
from pathlib import Path

import numpy as np
from scipy.linalg import orthogonal_procrustes, subspace_angles
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import jensenshannon

rng = np.random.default_rng(11)


def cka(x, y):
    """Kornblith et al. 2019 by Gram matrices and HSIC, not by moments."""
    h = np.eye(len(x)) - 1 / len(x)
    k, l = h @ x @ x.T @ h, h @ y @ y.T @ h
    return np.sum(k * l) / np.sqrt(np.sum(k * k) * np.sum(l * l))


def cca(x, y):
    """Mean canonical correlation: cosines of the principal angles between the column spaces."""
    x, y = x - x.mean(0), y - y.mean(0)
    return float(np.mean(np.cos(subspace_angles(x, y))))


def procrustes(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    wide = max(x.shape[1], y.shape[1])
    x, y = (np.pad(a, ((0, 0), (0, wide - a.shape[1]))) for a in (x, y))
    rotation, _ = orthogonal_procrustes(x, y)
    return 1 - np.linalg.norm(x @ rotation - y) ** 2 / 2


def outputs():
    for rows, width, other, shared in [(40, 5, 5, 0.0), (60, 6, 3, 0.5), (30, 2, 7, 2.0), (80, 8, 8, 1.0)]:
        x = rng.normal(size=(rows, width)) * np.linspace(2, 0.3, width) + 1
        y = rng.normal(size=(rows, other)) + shared * x @ rng.normal(size=(width, other)) - 3
        yield {
            "x": x.ravel().tolist(), "x_width": width, "y": y.ravel().tolist(), "y_width": other,
            "cka": cka(x, y), "cca": cca(x, y), "procrustes": procrustes(x, y),
        }


def svcca():
    """Raghu et al. 2017: directions that hold 99% of the variance, then canonical correlations."""
    rows, width = 120, 9
    x = rng.normal(size=(rows, width)) * np.array([5, 4, 3, 2, 1, 0.1, 0.05, 0.02, 0.01])
    y = x @ rng.normal(size=(width, width)) + 3 * rng.normal(size=(rows, width))
    kept = []
    for values in (x, y):
        values = values - values.mean(0)
        u, s, _ = np.linalg.svd(values, full_matrices=False)
        count = int(np.searchsorted(np.cumsum(s**2) / np.sum(s**2), 0.99)) + 1
        kept.append(u[:, :count] * s[:count])
    return {
        "x": x.ravel().tolist(), "y": y.ravel().tolist(), "width": width,
        "svcca": cca(*kept), "cka": cka(x, y), "procrustes": procrustes(x, y), "kept": [k.shape[1] for k in kept],
    }


def assignments():
    for shape in [(4, 4), (7, 5), (5, 9), (30, 30), (40, 25)]:
        similarity = rng.uniform(-1, 1, size=shape)
        rows, columns = linear_sum_assignment(similarity, maximize=True)
        yield {"similarity": similarity.tolist(), "pairs": [[int(r), int(c)] for r, c in zip(rows, columns)]}


def attention():
    """Maps of two heads a network on prompts of two groups, and similarities of their mean maps."""
    lengths, prompts, heads = [5, 3], [4, 2], 2

    def network():
        groups = []
        for length, count in zip(lengths, prompts):
            scores = rng.normal(size=(count, heads, length, length)) * 2
            scores = np.where(np.tril(np.ones((length, length))) > 0, scores, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            groups.append(weights / weights.sum(-1, keepdims=True))
        return groups

    a, b = network(), network()
    shares = np.array(prompts) / sum(prompts)
    rows, maps, divergence = (np.zeros((heads, heads)) for _ in range(3))
    for i in range(heads):
        for j in range(heads):
            flat = [[], []]
            for share, first, second in zip(shares, a, b):
                p, q = first.mean(0)[i], second.mean(0)[j]
                cosines = [np.dot(u, v) / np.linalg.norm(u) / np.linalg.norm(v) for u, v in zip(p, q)]
                rows[i, j] += share * np.mean(cosines)
                divergence[i, j] += share * np.mean([1 - jensenshannon(u, v, base=2) ** 2 for u, v in zip(p[1:], q[1:])])
                flat[0].append(np.sqrt(share) * p.ravel())
                flat[1].append(np.sqrt(share) * q.ravel())
            u, v = map(np.concatenate, flat)
            maps[i, j] = np.dot(u, v) / np.linalg.norm(u) / np.linalg.norm(v)
    pack = lambda network: [group.ravel().tolist() for group in network]
    return {
        "lengths": lengths, "prompts": prompts, "heads": heads, "a": pack(a), "b": pack(b),
        "rows": rows.tolist(), "maps": maps.tolist(), "divergence": divergence.tolist(),
    }


golden = {
    "outputs": list(outputs()),
    "svcca": svcca(),
    "assignments": list(assignments()),
    "attention": attention(),
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden))
