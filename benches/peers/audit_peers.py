#!/usr/bin/env python3
"""The sweep of `limbeck bench audit` in transformers with hooks or in TransformerLens.

    limbeck bench audit --model MODEL --prompts 100 --prompts-to prompts.json [--every N]
    python audit_peers.py --engine hooks|transformer-lens --model FOLDER --prompts prompts.json [--every N] [--batch B] [--restart]

Every head (its slice of the output projection's input) and every MLP (its output) of a Llama-like model is replaced in turn by its mean over
the corrupted prompts per position, and the logit difference at the last position is measured on the clean ones; --every N takes the
components of every N-th block, as Limbeck's --every does. Only the last position goes through the head. --restart, of
TransformerLens, starts each ablated pass at the touched block from the clean residual stream (start_at_layer). Means are
part of the time, loading is not. Prints one JSON object. FOLDER is a Hugging Face folder, as written by `limbeck model export`.

Needs torch and transformers, and transformer-lens < 4 for that engine (pip install them in a virtual environment outside this repository).
"""

import argparse
import json
import os
import time

import torch
from transformers import AutoModelForCausalLM


def peak_rss_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


class Hooks:
    """Plain forward hooks on a transformers model."""

    def __init__(self, model):
        self.model = model
        self.layers = model.model.layers
        self.heads, self.width = model.config.num_attention_heads, self.layers[0].self_attn.head_dim

    def hidden(self, ids):
        return self.model.model(input_ids=ids, use_cache=False).last_hidden_state[:, -1]

    def means(self, ids, batch):
        """Per layer the mean input of the output projection and the mean output of the MLP, [seq, width]."""
        sums = {}

        def add(key):
            def hook(_, args, out=None):
                value = (args[0] if out is None else out).sum(0)
                sums[key] = sums[key] + value if key in sums else value

            return hook

        handles = []
        for number, layer in enumerate(self.layers):
            handles.append(layer.self_attn.o_proj.register_forward_pre_hook(add(("z", number))))
            handles.append(layer.mlp.register_forward_hook(add(("mlp", number))))
        for chunk in ids.split(batch):
            self.hidden(chunk)
        for handle in handles:
            handle.remove()
        return {key: value / len(ids) for key, value in sums.items()}

    def prepare(self, ids):
        return None

    def ablated(self, ids, layer, head, means, _):
        block = self.layers[layer]
        if head is None:
            mean = means["mlp", layer]
            handle = block.mlp.register_forward_hook(lambda module, args, out: mean.expand_as(out))
        else:
            part = slice(head * self.width, (head + 1) * self.width)
            mean = means["z", layer][:, part]

            def replace(module, args):
                value = args[0].clone()
                value[..., part] = mean
                return (value,)

            handle = block.self_attn.o_proj.register_forward_pre_hook(replace)
        try:
            return self.hidden(ids)
        finally:
            handle.remove()

    def unembedding(self):
        return self.model.lm_head.weight


class Lens:
    """TransformerLens's HookedTransformer with the same weights."""

    def __init__(self, model, restart):
        from transformer_lens import HookedTransformer, HookedTransformerConfig
        from transformer_lens.pretrained.weight_conversions import convert_llama_weights

        c = model.config
        config = HookedTransformerConfig(
            n_layers=c.num_hidden_layers, d_model=c.hidden_size, n_ctx=512, d_head=model.model.layers[0].self_attn.head_dim,
            n_heads=c.num_attention_heads, n_key_value_heads=c.num_key_value_heads, d_mlp=c.intermediate_size, d_vocab=c.vocab_size,
            act_fn="silu", normalization_type="RMS", eps=c.rms_norm_eps, positional_embedding_type="rotary", rotary_adjacent_pairs=False,
            rotary_dim=model.model.layers[0].self_attn.head_dim, rotary_base=int(c.rope_parameters["rope_theta"]), gated_mlp=True, final_rms=True,
            original_architecture="LlamaForCausalLM", device="cpu", dtype=torch.float32, default_prepend_bos=False,
        )
        self.lens = HookedTransformer(config)
        self.lens.load_and_process_state_dict(
            convert_llama_weights(model, config), fold_ln=False, center_writing_weights=False, center_unembed=False, fold_value_biases=False
        )
        self.layers, self.heads, self.restart = self.lens.blocks, config.n_heads, restart

    def means(self, ids, batch):
        sums = {}

        def add(value, hook):
            sums[hook.name] = sums[hook.name] + value.sum(0) if hook.name in sums else value.sum(0)

        wanted = lambda name: name.endswith(("attn.hook_z", "hook_mlp_out"))
        for chunk in ids.split(batch):
            self.run(chunk, [(wanted, add)])
        return {name: value / len(ids) for name, value in sums.items()}

    def run(self, start, hooks, at=None):
        # The blocks alone, then norm at the last position.
        resid = self.lens.run_with_hooks(start, fwd_hooks=hooks, start_at_layer=at, stop_at_layer=len(self.layers))
        return self.lens.ln_final(resid[:, -1:])[:, -1]

    def prepare(self, ids):
        if not self.restart:
            return None
        wanted = lambda name: name.endswith("hook_resid_pre")
        return self.lens.run_with_cache(ids, names_filter=wanted, stop_at_layer=len(self.layers))[1]

    def ablated(self, ids, layer, head, means, clean):
        name = f"blocks.{layer}." + ("hook_mlp_out" if head is None else "attn.hook_z")
        mean = means[name]

        def replace(value, hook):
            if head is None:
                return mean.expand_as(value)
            value = value.clone()
            value[:, :, head] = mean[:, head]
            return value

        if clean is None:
            return self.run(ids, [(name, replace)])
        return self.run(clean[f"blocks.{layer}.hook_resid_pre"], [(name, replace)], layer)

    def unembedding(self):
        return self.lens.unembed.W_U.T


@torch.inference_mode()
def sweep(engine, groups, arguments):
    """Seconds, mean LD, and the score of each component in percent."""
    head = engine.unembedding()
    components = [
        (layer, index)
        for layer in range(len(engine.layers))
        if layer % arguments.every == arguments.every // 2
        for index in [*range(engine.heads), None]
    ]
    full, sums = 0.0, [0.0] * len(components)
    began = time.perf_counter()
    for group in groups:
        means = engine.means(torch.tensor(group["corrupted"]), arguments.batch)
        rows = list(zip(group["right"], group["wrong"]))
        contrast = torch.stack([head[right].mean(0) - head[wrong].mean(0) for right, wrong in rows])
        for ids, contrast in zip(torch.tensor(group["clean"]).split(arguments.batch), contrast.split(arguments.batch)):
            difference = lambda hidden: float((hidden * contrast).sum())
            clean = engine.prepare(ids)
            full += difference(engine.run(ids, []) if isinstance(engine, Lens) else engine.hidden(ids))
            for place, (layer, index) in enumerate(components):
                sums[place] += difference(engine.ablated(ids, layer, index, means, clean))
    seconds = time.perf_counter() - began
    count = sum(len(group["clean"]) for group in groups)
    return seconds, full / count, [100.0 * value / full for value in sums]


def main():
    parser = argparse.ArgumentParser(description="a sweep over components in transformers or TransformerLens")
    parser.add_argument("--engine", choices=["hooks", "transformer-lens"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("--threads", type=int, help="all cores when absent")
    arguments = parser.parse_args()
    threads = arguments.threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    with open(arguments.prompts) as file:
        groups = json.load(file)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    engine = Hooks(model) if arguments.engine == "hooks" else Lens(model, arguments.restart)
    seconds, full, scores = sweep(engine, groups, arguments)
    print(
        json.dumps(
            dict(
                engine=arguments.engine,
                restart=arguments.restart,
                model=arguments.model,
                threads=threads,
                prompts=sum(len(group["clean"]) for group in groups),
                batch=arguments.batch,
                components=len(scores),
                sweep_ms=seconds * 1e3,
                ablations_per_second=len(scores) / seconds,
                peak_rss_mib=peak_rss_mib(),
                logit_difference=full,
                scores=scores,
            ),
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
