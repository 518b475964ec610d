"""Golden values of AdamW: writes adamw.json beside this file.

Needs torch. Run: python tests/golden/adamw.py
"""

import json
import pathlib

import torch

torch.manual_seed(0)
count, steps = 40, 7
settings = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-6, "weight_decay": 0.1}
start = torch.randn(count)
gradients = [torch.randn(count) * 10.0 ** torch.randint(-4, 3, (count,)) for _ in range(steps)]

value = torch.nn.Parameter(start.clone())
optimizer = torch.optim.AdamW(
    [value],
    lr=settings["learning_rate"],
    betas=(settings["beta1"], settings["beta2"]),
    eps=settings["epsilon"],
    weight_decay=settings["weight_decay"],
    foreach=False,
)
values = []
for gradient in gradients:
    value.grad = gradient.clone()
    optimizer.step()
    values.append(value.detach().tolist())

state = optimizer.state[value]
golden = {
    "torch": torch.__version__,
    "settings": settings,
    "start": start.tolist(),
    "gradients": [gradient.tolist() for gradient in gradients],
    "values": values,
    "first": state["exp_avg"].tolist(),
    "second": state["exp_avg_sq"].tolist(),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=None) + "\n")
