"""Golden values of the divergences and their gradients in float64: writes divergences.json beside this file.

Needs torch. Run: python tests/golden/divergences.py

Formulas: forward and reverse KL, generalised JSD (Agarwal et al. 2024), skew KLs (Ko et al. 2024), total variation, each
times T^2; logit matching (Hinton et al. 2015, section 2.1). Means over the rows.
"""
import json
import pathlib

import torch

torch.manual_seed(20240613)
ROWS, CLASSES = 5, 23
# Through float32 and back, so that both programs read the same numbers; some classes far away.
student = (torch.randn(ROWS, CLASSES) * 3).float().double()
teacher = (torch.randn(ROWS, CLASSES) * 4).float().double()
student[1, 3] = -60.0
teacher[2, 5] = -70.0
targets = torch.randint(CLASSES, (ROWS,))


def kl(log_a, log_b):
    return (log_a.exp() * (log_a - log_b)).sum(1).mean()


def mixed(log_p, log_q, share):
    weights = torch.tensor([share, 1 - share], dtype=torch.float64).log()
    return torch.logaddexp(log_p + weights[0], log_q + weights[1])


def value(kind, z, parameter, temperature):
    log_p = (teacher / temperature).log_softmax(1)
    log_q = (z / temperature).log_softmax(1)
    square = temperature**2
    if kind == "cross_entropy":
        return torch.nn.functional.cross_entropy(z, targets)
    if kind == "forward_kl":
        return square * torch.nn.functional.kl_div(log_q, log_p, log_target=True, reduction="batchmean")
    if kind == "reverse_kl":
        return square * torch.nn.functional.kl_div(log_p, log_q, log_target=True, reduction="batchmean")
    if kind == "jensen_shannon":
        m = mixed(log_p, log_q, parameter)
        return square * (parameter * kl(log_p, m) + (1 - parameter) * kl(log_q, m))
    if kind == "skew_forward_kl":
        return square * kl(log_p, mixed(log_p, log_q, parameter))
    if kind == "skew_reverse_kl":
        return square * kl(log_q, mixed(log_p, log_q, 1 - parameter))
    if kind == "total_variation":
        return square * 0.5 * (log_p.exp() - log_q.exp()).abs().sum(1).mean()
    if kind == "logit_matching":
        centred = lambda x: x - x.mean(1, keepdim=True)
        return 0.5 * torch.nn.functional.mse_loss(centred(z), centred(teacher))
    raise ValueError(kind)


cases = []
for kind, parameters in [
    ("cross_entropy", [0.0]),
    ("forward_kl", [0.0]),
    ("reverse_kl", [0.0]),
    ("jensen_shannon", [0.01, 0.5, 0.9]),
    ("skew_forward_kl", [0.1, 0.5]),
    ("skew_reverse_kl", [0.1, 0.5]),
    ("total_variation", [0.0]),
    ("logit_matching", [0.0]),
]:
    for parameter in parameters:
        for temperature in [1.0] if kind in ("cross_entropy", "logit_matching") else [1.0, 3.0]:
            z = student.clone().requires_grad_()
            loss = value(kind, z, parameter, temperature)
            loss.backward()
            cases.append(
                {
                    "kind": kind,
                    "parameter": parameter,
                    "temperature": temperature,
                    "value": loss.item(),
                    "gradient": [float(f"{g:.10g}") for g in z.grad.flatten().tolist()],
                }
            )
golden = {
    "rows": ROWS,
    "student": student.flatten().tolist(),
    "teacher": teacher.flatten().tolist(),
    "targets": targets.tolist(),
    "cases": cases,
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
