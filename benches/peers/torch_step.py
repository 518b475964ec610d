#!/usr/bin/env python3
"""One distillation step in PyTorch: the counterpart of `limbeck bench step`.

    python torch_step.py --workload w1|w2|w3|smollm2 --mode eager|autocast|compile|compile-autocast
                         [--device cpu|cuda] [--steps N] [--threads N]

The same shapes, loss (0.5 T^2 KL + 0.5 CE, T = 2), clipping (1.0) and AdamW as `limbeck bench step`, written the way one
writes it well in PyTorch: scaled_dot_product_attention, one fused query-key-value product, tied embeddings, the teacher
under no_grad, logits of the scored positions only, fused AdamW without decay on vectors, gradients set to None. Weights
and tokens are random from a seed of PyTorch's own, so losses agree with Limbeck's in size, not in digits.

Prints one JSON object: median_ms, min_ms, max_ms, peak_rss_mib (VmHWM), minor_faults_per_step, losses, and on CUDA
peak_gpu_mib. Needs torch (pip install torch, in a virtual environment outside this repository).
"""

import argparse
import contextlib
import json
import os
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

WARM_UP = 3
BATCHES = 8
TEMPERATURE = 2.0

DECODERS = {
    "w1": dict(vocab=512, layers=(4, 2), width=128, heads=4, groups=4, mlp=512, rows=32, length=64, llama=False),
    "w2": dict(vocab=50257, layers=(12, 6), width=384, heads=6, groups=6, mlp=1536, rows=4, length=128, llama=False),
    "smollm2": dict(vocab=49152, layers=(30, 15), width=576, heads=9, groups=3, mlp=1536, rows=4, length=128, llama=True),
}
CLASSIFIERS = {"w3": dict(teacher=(784, 1200, 1200, 10), student=(784, 800, 800, 10), rows=128)}


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.heads, self.groups = shape["heads"], shape["groups"]
        self.size = shape["width"] // self.heads
        bias = not shape["llama"]
        self.qkv = nn.Linear(shape["width"], (self.heads + 2 * self.groups) * self.size, bias=bias)
        self.out = nn.Linear(shape["width"], shape["width"], bias=bias)

    def forward(self, x, rotary):
        batch, length, _ = x.shape
        split = [self.heads * self.size, self.groups * self.size, self.groups * self.size]
        q, k, v = self.qkv(x).split(split, dim=-1)
        q = q.view(batch, length, self.heads, self.size).transpose(1, 2)
        k = k.view(batch, length, self.groups, self.size).transpose(1, 2)
        v = v.view(batch, length, self.groups, self.size).transpose(1, 2)
        if rotary is not None:
            q, k = rotate(q, rotary), rotate(k, rotary)
        grouped = self.heads != self.groups
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        return self.out(y.transpose(1, 2).reshape(batch, length, -1))


def rotate(x, rotary):
    cos, sin = rotary
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return (x * cos + turned * sin).to(x.dtype)


class GeluMlp(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class SwiGlu(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width, llama = shape["width"], shape["llama"]
        norm = (lambda: nn.RMSNorm(width, eps=1e-5)) if llama else (lambda: nn.LayerNorm(width))
        self.norm1, self.attention, self.norm2 = norm(), Attention(shape), norm()
        self.mlp = (SwiGlu if llama else GeluMlp)(width, shape["mlp"])

    def forward(self, x, rotary):
        x = x + self.attention(self.norm1(x), rotary)
        return x + self.mlp(self.norm2(x))


class Decoder(nn.Module):
    def __init__(self, shape, layers):
        super().__init__()
        width = shape["width"]
        self.embed = nn.Embedding(shape["vocab"], width)
        self.positions = None if shape["llama"] else nn.Embedding(shape["length"], width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-5) if shape["llama"] else nn.LayerNorm(width)
        if shape["llama"]:
            size = width // shape["heads"]
            frequency = 100_000.0 ** (-torch.arange(0, size, 2) / size)
            angle = torch.outer(torch.arange(shape["length"]), frequency).repeat(1, 2)
            self.register_buffer("cos", angle.cos())
            self.register_buffer("sin", angle.sin())
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, ids):
        x = self.embed(ids)
        if self.positions is not None:
            x = x + self.positions.weight[: ids.shape[1]]
        rotary = None if self.positions is not None else (self.cos, self.sin)
        for block in self.blocks:
            x = block(x, rotary)
        # The last position predicts nothing.
        return F.linear(self.norm(x[:, :-1]), self.embed.weight).flatten(0, 1)


def classifier(widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")
        nn.init.zeros_(layers[-2].bias)
    return nn.Sequential(*layers[:-1])


def distillation_loss(student, teacher, targets):
    student, teacher = student.float(), teacher.float()
    divergence = F.kl_div(
        F.log_softmax(student / TEMPERATURE, dim=-1),
        F.log_softmax(teacher / TEMPERATURE, dim=-1),
        log_target=True,
        reduction="batchmean",
    )
    return 0.5 * TEMPERATURE**2 * divergence + 0.5 * F.cross_entropy(student, targets)


def networks(workload, device):
    """Teacher, student and batches of (input, targets)."""
    if workload in CLASSIFIERS:
        shape = CLASSIFIERS[workload]
        teacher, student = classifier(shape["teacher"]), classifier(shape["student"])
        batches = [
            (torch.rand(shape["rows"], shape["student"][0]), torch.randint(shape["student"][-1], (shape["rows"],)))
            for _ in range(BATCHES)
        ]
    else:
        shape = DECODERS[workload]
        teacher, student = (Decoder(shape, layers) for layers in shape["layers"])
        ids = [torch.randint(shape["vocab"], (shape["rows"], shape["length"])) for _ in range(BATCHES)]
        batches = [(batch, batch[:, 1:].flatten()) for batch in ids]
    teacher = teacher.to(device).eval().requires_grad_(False)
    return teacher, student.to(device), [(x.to(device), y.to(device)) for x, y in batches]


def optimizer(student):
    matrices = [p for p in student.parameters() if p.dim() == 2]
    vectors = [p for p in student.parameters() if p.dim() != 2]
    groups = [dict(params=matrices, weight_decay=0.01), dict(params=vectors, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=3e-4, betas=(0.9, 0.999), eps=1e-8, fused=True)


def peak_rss_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def minor_faults():
    with open("/proc/self/stat") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[7])


def main():
    parser = argparse.ArgumentParser(description="one distillation step in PyTorch")
    parser.add_argument("--workload", choices=[*DECODERS, *CLASSIFIERS], default="w1")
    parser.add_argument("--mode", choices=["eager", "autocast", "compile", "compile-autocast"], default="eager")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, help="all cores when absent")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads or len(os.sched_getaffinity(0)))
    torch.manual_seed(arguments.seed)
    device = torch.device(arguments.device)
    if device.type == "cuda":
        # What a PyTorch engineer switches on for f32 on such a GPU; reported, so that figures are read rightly.
        torch.set_float32_matmul_precision("high")

    teacher, student, batches = networks(arguments.workload, device)
    update = optimizer(student)
    mixed = arguments.mode.endswith("autocast")

    def loss_of(inputs, targets):
        context = torch.autocast(device.type, torch.bfloat16) if mixed else contextlib.nullcontext()
        with context:
            with torch.no_grad():
                taught = teacher(inputs)
            learned = student(inputs)
        return distillation_loss(learned, taught, targets)

    if arguments.mode.startswith("compile"):
        loss_of = torch.compile(loss_of)

    def step(inputs, targets):
        loss = loss_of(inputs, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        update.step()
        update.zero_grad(set_to_none=True)
        # Reading the loss waits for the device, as a trainer that logs does.
        return loss.item()

    losses, times = [], []
    faults = 0
    for index in range(WARM_UP + arguments.steps):
        if index == WARM_UP:
            faults = minor_faults()
        began = time.perf_counter()
        losses.append(step(*batches[index % BATCHES]))
        if device.type == "cuda":
            torch.cuda.synchronize()
        if index >= WARM_UP:
            times.append((time.perf_counter() - began) * 1e3)
    result = dict(
        workload=arguments.workload,
        mode=arguments.mode,
        device=arguments.device,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        steps=arguments.steps,
        median_ms=statistics.median(times),
        min_ms=min(times),
        max_ms=max(times),
        peak_rss_mib=peak_rss_mib(),
        minor_faults_per_step=(minor_faults() - faults) / arguments.steps,
        final_loss=losses[-1],
        losses=losses,
    )
    if device.type == "cuda":
        result["gpu"] = torch.cuda.get_device_name(device)
        result["peak_gpu_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
        result["float32_matmul_precision"] = torch.get_float32_matmul_precision()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
