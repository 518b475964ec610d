"""Makes `eap.json`: edge attribution patching by torch autograd on the tiny GPT-2 and Llama (grouped heads) of limbeck-model.

    python make_eap.py [OUT_FILE]

EAP (Syed et al. 2023): (corrupted - clean output of the writer) . gradient of LD at the reader's input, on the clean prompt,
summed over positions and width, mean over prompts. EAP-IG (Hanna et al. 2024), 5 steps k/5, k = 1..5: the gradient is the mean
over passes whose embedding ("inputs"), or one writing part of the network ("activations": the embedding, a block's attention, an
MLP), is corrupted + k/5 (clean - corrupted). Everything in float64. The forward pass, in which each reader has an input of its own,
is written out here and checked against transformers. Made with torch 2.15, transformers 5.23.
"""

import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
TINY = HERE.parents[2] / "limbeck-model/tests/fixtures/tiny"
STEPS = 5


class Net:
    def __init__(self, model):
        self.config, self.kind = model.config, model.config.model_type
        self.w = {name: value.double() for name, value in model.state_dict().items()}
        self.layers, self.heads, self.width = (
            model.config.num_hidden_layers, model.config.num_attention_heads, model.config.hidden_size)
        self.kv_heads = getattr(model.config, "num_key_value_heads", None) or self.heads
        self.d_head = self.width // self.heads

    def norm(self, x, name):
        if self.kind == "gpt2":
            eps = self.config.layer_norm_epsilon
            return F.layer_norm(x, (self.width,), self.w[name + ".weight"], self.w[name + ".bias"], eps)
        return x / (x.pow(2).mean(-1, keepdim=True) + self.config.rms_norm_eps).sqrt() * self.w[name + ".weight"]

    def embed(self, ids):
        if self.kind == "gpt2":
            return self.w["transformer.wte.weight"][ids] + self.w["transformer.wpe.weight"][: ids.shape[1]]
        return self.w["model.embed_tokens.weight"][ids]

    def projection(self, layer, which, head):
        """[d_model, d_head] and bias of one head's queries, keys or values."""
        d = self.d_head
        if self.kind == "gpt2":
            at = "qkv".index(which) * self.width + head * d
            name = f"transformer.h.{layer}.attn.c_attn."
            return self.w[name + "weight"][:, at : at + d], self.w[name + "bias"][at : at + d]
        return self.w[f"model.layers.{layer}.self_attn.{which}_proj.weight"][head * d : (head + 1) * d].T, 0.0

    def rotate(self, x):
        if self.kind == "gpt2":
            return x
        theta = self.config.rope_parameters["rope_theta"]
        angles = torch.arange(x.shape[1]).double()[:, None] * theta ** (-torch.arange(0, self.d_head, 2).double() / self.d_head)
        cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat([-b, a], -1) * sin

    def head_outputs(self, layer, q_in, k_in, v_in):
        """What each head writes, from the input of every query head and every key and value head."""
        ln = f"transformer.h.{layer}.ln_1" if self.kind == "gpt2" else f"model.layers.{layer}.input_layernorm"

        def project(x, which, head):
            weight, bias = self.projection(layer, which, head)
            return self.norm(x, ln) @ weight + bias

        outputs = []
        for head in range(self.heads):
            kv = head // (self.heads // self.kv_heads)
            q = self.rotate(project(q_in[head], "q", head))
            k = self.rotate(project(k_in[kv], "k", kv))
            v = project(v_in[kv], "v", kv)
            scores = q @ k.transpose(1, 2) / math.sqrt(self.d_head)
            length = scores.shape[-1]
            scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -torch.inf)
            z = scores.softmax(-1) @ v
            at = slice(head * self.d_head, (head + 1) * self.d_head)
            if self.kind == "gpt2":
                outputs.append(z @ self.w[f"transformer.h.{layer}.attn.c_proj.weight"][at])
            else:
                outputs.append(z @ self.w[f"model.layers.{layer}.self_attn.o_proj.weight"][:, at].T)
        return outputs

    def attention_bias(self, layer):
        return self.w[f"transformer.h.{layer}.attn.c_proj.bias"] if self.kind == "gpt2" else 0.0

    def mlp(self, layer, x):
        if self.kind == "gpt2":
            name = f"transformer.h.{layer}."
            x = self.norm(x, name + "ln_2") @ self.w[name + "mlp.c_fc.weight"] + self.w[name + "mlp.c_fc.bias"]
            return F.gelu(x, approximate="tanh") @ self.w[name + "mlp.c_proj.weight"] + self.w[name + "mlp.c_proj.bias"]
        name = f"model.layers.{layer}."
        x = self.norm(x, name + "post_attention_layernorm")
        gate, up = (x @ self.w[f"{name}mlp.{part}_proj.weight"].T for part in ("gate", "up"))
        return (F.silu(gate) * up) @ self.w[name + "mlp.down_proj.weight"].T

    def logits(self, x):
        if self.kind == "gpt2":
            return self.norm(x, "transformer.ln_f") @ self.w["lm_head.weight"].T
        return self.norm(x, "model.norm") @ self.w["lm_head.weight"].T

    def run(self, embed, replace=None):
        """Logits, the outputs of all writers and the inputs of all readers. `replace` gives other outputs to some writers."""
        replace = replace or {}
        written, inputs = {}, {}

        def write(name, value):
            written[name] = replace.get(name, value)
            return written[name]

        def read(name, resid):
            inputs[name] = resid + torch.zeros_like(resid, requires_grad=True)
            return inputs[name]

        resid = write("embed", embed)
        for layer in range(self.layers):
            q = [read(f"q{layer}.{head}", resid) for head in range(self.heads)]
            k = [read(f"k{layer}.{head}", resid) for head in range(self.kv_heads)]
            v = [read(f"v{layer}.{head}", resid) for head in range(self.kv_heads)]
            for head, output in enumerate(self.head_outputs(layer, q, k, v)):
                resid = resid + write(f"{layer}.{head}", output)
            resid = resid + self.attention_bias(layer)
            resid = resid + write(f"m{layer}", self.mlp(layer, read(f"m{layer}", resid)))
        return self.logits(read("logits", resid)), written, inputs


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "eap.json")
    torch.manual_seed(5)
    made = {}
    for family in ("gpt2", "llama"):
        model = AutoModelForCausalLM.from_pretrained(TINY / family, dtype=torch.float32, attn_implementation="eager").eval()
        net = Net(model)
        clean = torch.randint(3, 96, (3, 9))
        corrupted = clean.clone()
        corrupted[:, 2:6] = torch.randint(3, 96, (3, 4))
        right, wrong = torch.randint(3, 96, (3,)), torch.randint(3, 96, (3,))
        with torch.no_grad():
            theirs = model(clean).logits.double()
        ours, written, inputs = net.run(net.embed(clean))
        assert (ours - theirs).abs().max() < 1e-4, (ours - theirs).abs().max()
        _, other, _ = net.run(net.embed(corrupted))
        written = {name: value.detach() for name, value in written.items()}
        other = {name: value.detach() for name, value in other.items()}
        writers, readers = list(written), list(inputs)

        def gradients(embed, replace=None):
            logits, _, inputs = net.run(embed, replace)
            rows = torch.arange(len(clean))
            total = (logits[rows, -1, right] - logits[rows, -1, wrong]).sum()
            return dict(zip(inputs, torch.autograd.grad(total, list(inputs.values()), allow_unused=True)))

        def before(writer, reader):
            if writer == "embed" or reader == "logits":
                return True
            layer = int(writer[1:] if writer[0] == "m" else writer.split(".")[0])
            reading = int(reader[1:].split(".")[0])
            return layer < reading or (reader[0] == "m" and writer[0] != "m" and layer == reading)

        def scores(gradient, some=writers):
            return {
                (reader, writer): ((other[writer] - written[writer]) * gradient[reader]).sum().item() / len(clean)
                for reader in readers for writer in some if before(writer, reader)
            }

        def mean(parts):
            return {edge: sum(part[edge] for part in parts) / len(parts) for edge in parts[0]}

        def between(writer, step):
            return other[writer] + step / STEPS * (written[writer] - other[writer])

        steps = range(1, STEPS + 1)
        eap = scores(gradients(written["embed"]))
        over_inputs = mean([scores(gradients(between("embed", step))) for step in steps])
        over_activations = {}
        parts = [["embed"]]
        for layer in range(net.layers):
            parts += [[f"{layer}.{head}" for head in range(net.heads)], [f"m{layer}"]]
        for part in parts:
            over_activations |= mean([
                scores(gradients(written["embed"], {writer: between(writer, step) for writer in part}), part)
                for step in steps
            ])

        def table(values):
            return [[float(f"{values[reader, writer]:.9g}") for writer in writers if before(writer, reader)] for reader in readers]

        made[family] = {
            "clean": clean.tolist(), "corrupted": corrupted.tolist(), "right": right.tolist(), "wrong": wrong.tolist(),
            "writers": writers, "readers": readers, "steps": STEPS,
            "eap": table(eap), "eap_ig_inputs": table(over_inputs), "eap_ig_activations": table(over_activations),
        }
        sizes = torch.tensor([abs(value) for value in eap.values()])
        print(family, len(eap), "edges, largest", sizes.max().item(), "median", sizes.median().item())
    out.write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
