"""Every key of a small model's files, of a GGUF file, and of recipes that are run, replaced by each of twenty awkward values.

    python tests/mutations/mutate.py --limbeck target/debug/limbeck [--part tokenizer.json] [--every 3] [--jobs 2]

Nothing but Python is needed. A mutated model answers a prompt, and every third one also teaches in a run with an audit and
exports; a mutated recipe is run to its end. A case fails when the program panics or is killed by a signal, takes more than
1 GiB or more than 30 seconds. Prints the failures, and one line of figures for each part. Exit code 1 when something failed.
"""

import argparse
import json
import math
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gguf_mutants import gguf_mutants

SECONDS, BYTES = 30, 1 << 30
AWKWARD = [0, -1, 1, 0.5, 1e-300, 10**9, 2**31, 2**32, 2**53, 2**63 - 1, 1e308, math.nan, math.inf, "", "x" * 10_000, "\0",
           True, [], [[[[[[]]]]]], {}]


def tokenizer_json():
    """Byte-level BPE over 256 bytes, with a few merges and special tokens, in the layout of the tokenizers library."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {byte: chr(byte) for byte in plain}, 0
    for byte in range(256):
        if byte not in letters:
            letters[byte], extra = chr(256 + extra), extra + 1
    vocab = {letters[byte]: byte for byte in range(256)}
    merges = [["r", "a"], ["i", "n"], ["ra", "in"]]
    for left, right in merges:
        vocab[left + right] = len(vocab)
    special = ["<bos>", "<eos>", "<pad>"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": len(vocab) + at, "content": text, **flags} for at, text in enumerate(special)]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Replace", "pattern": {"String": "_"}, "content": " "}]},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {"<bos>": {"id": "<bos>", "ids": [259], "tokens": ["<bos>"]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": merges},
    }


TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
    "unk_token": None, "model_max_length": 64, "padding_side": "right", "truncation_side": "right",
    "add_bos_token": False, "add_eos_token": False, "add_prefix_space": False, "clean_up_tokenization_spaces": False,
    "added_tokens_decoder": {"259": {"content": "<bos>", "lstrip": False, "normalized": False, "rstrip": False,
                                     "single_word": False, "special": True}},
    "extra_special_tokens": {}, "additional_special_tokens": ["<pad>"],
    "chat_template": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
}


CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 264, "hidden_size": 16,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 32, "head_dim": 8,
    "max_position_embeddings": 64, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 32},
    "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "bos_token_id": 259, "eos_token_id": [260],
    "pad_token_id": 261, "use_sliding_window": False, "sliding_window": None, "max_window_layers": 2,
    "layer_types": ["full_attention", "full_attention"], "pretraining_tp": 1, "attention_dropout": 0.0,
    "initializer_range": 0.02, "torch_dtype": "float32", "use_cache": True, "partial_rotary_factor": 1.0,
    "quantization_config": None, "logit_scale": None, "attn_logit_softcapping": None,
}
GPT2_CONFIG = {
    "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 264, "n_embd": 16, "n_layer": 2, "n_head": 2,
    "n_positions": 64, "n_ctx": 64, "n_inner": 32, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "reorder_and_upcast_attn": False,
    "tie_word_embeddings": True, "bos_token_id": 259, "eos_token_id": 260, "resid_pdrop": 0.1, "add_cross_attention": False,
}
GENERATION_CONFIG = {
    "bos_token_id": 259, "eos_token_id": [260, 261], "pad_token_id": 261, "do_sample": False, "temperature": 0.7, "top_p": 0.9,
    "top_k": 50, "repetition_penalty": 1.0, "max_new_tokens": 20, "max_length": 64,
}


def write_gpt2(folder):
    """A GPT-2 network without weights tied to anything but its embedding; its matrices are stored `[in, out]`."""
    width, mlp, vocab, positions = 16, 32, 264, 64
    shapes = {"transformer.wte.weight": [vocab, width], "transformer.wpe.weight": [positions, width],
              "transformer.ln_f.weight": [width], "transformer.ln_f.bias": [width]}
    for layer in range(2):
        at = f"transformer.h.{layer}."
        for name in ("ln_1", "ln_2"):
            shapes |= {f"{at}{name}.weight": [width], f"{at}{name}.bias": [width]}
        for name, ins, outs in (("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width), ("mlp.c_fc", width, mlp),
                                ("mlp.c_proj", mlp, width)):
            shapes |= {f"{at}{name}.weight": [ins, outs], f"{at}{name}.bias": [outs]}
    write_files(folder, GPT2_CONFIG, shapes)
    write_plain_tokenizer(folder)


def write_model(folder, plain=False):
    width, mlp, vocab, layers = 16, 32, 264, 2
    shapes = {"model.embed_tokens.weight": [vocab, width], "model.norm.weight": [width]}
    for layer in range(layers):
        at = f"model.layers.{layer}."
        shapes |= {at + f"self_attn.{name}_proj.weight": [width, width] for name in "qkvo"}
        shapes |= {at + "mlp.gate_proj.weight": [mlp, width], at + "mlp.up_proj.weight": [mlp, width],
                   at + "mlp.down_proj.weight": [width, mlp]}
        shapes |= {at + f"{name}_layernorm.weight": [width] for name in ("input", "post_attention")}
    write_files(folder, CONFIG, shapes)
    if plain:
        # What a GGUF file can hold: no normalizer, and rotation without a rescaling of its own.
        write_plain_tokenizer(folder)
        (folder / "config.json").write_text(json.dumps({k: v for k, v in CONFIG.items() if k != "rope_scaling"}))


def write_plain_tokenizer(folder):
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json() | {"normalizer": None}))


def write_files(folder, config, shapes):
    folder.mkdir(parents=True)
    dice, header, data = random.Random(1), {}, b""
    for name, shape in shapes.items():
        count = math.prod(shape)
        values = struct.pack(f"<{count}f", *(dice.gauss(0, 0.1) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    for name, value in (("config.json", config), ("tokenizer.json", tokenizer_json()),
                        ("tokenizer_config.json", TOKENIZER_CONFIG), ("generation_config.json", GENERATION_CONFIG)):
        (folder / name).write_text(json.dumps(value))


RECIPE = """name = "mutant"
seed = 3
[teacher]
kind = "model"
source = "{model}"
[student]
kind = "layers"
select = "even"
[data]
kind = "records"
source = "{data}"
sequence_length = 32
held_out = 0.25
[[objectives]]
kind = "forward_kl"
weight = 0.5
temperature = 2.0
[[objectives]]
kind = "cross_entropy"
weight = 0.5
[training]
steps = 3
batch_size = 2
accumulation = 1
slices = 1
learning_rate = 1e-3
[capture]
top_k = 8
batch_size = 2
shard_examples = 16
[evaluation]
batch_size = 4
resamples = 100
[audit]
task = {{ kind = "jsonl", path = "{prompts}" }}
prompts_per_template = 4
resamples = 20
alignment_resamples = 2
[audit.brittleness]
prompts = 4
noise_sizes = [0.4]
noise_draws = 1
removed = [1, 3]
random_orders = 1
[audit.patching]
prompts_per_group = 2
resamples = 5
[audit.similarity]
rows = 32
directions = 4
resamples = 3
floors = 1
floor_prompts = 2
[audit.roles]
resamples = 3
[audit.heads]
sequences = 2
period = 6
copied_tokens = 8
resamples = 5
[audit.circuit]
prompts = 3
thresholds = [40.0]
edges = 4
random = 2
[export]
hf = true
gguf = ["q8_0"]
[[gates]]
measure = "evaluation.student.accuracy"
at_least = 0.0
"""


OTHER_RECIPES = {
    "trained": """name = "mutant"
seed = 3
[teacher]
kind = "trained"
architecture = {{ family = "llama", n_layers = 2, d_model = 16, n_heads = 2, d_mlp = 24, max_positions = 64 }}
[teacher.training]
steps = 3
batch_size = 2
[student]
kind = "fresh"
n_layers = 1
d_model = 8
n_heads = 2
n_kv_heads = 1
d_mlp = 12
max_positions = 64
tied = true
[data]
kind = "numerals"
examples = 40
held_out = 12
shifted = 4
distractors = 1
[[objectives]]
kind = "ablation_kl"
weight = 0.5
temperature = 1.0
removed = "both"
heads = {{ from = 0.1, to = 0.2, begin = 1, end = 2 }}
mlps = 0.1
layers = [[0, 1]]
[[objectives]]
kind = "influence_spread"
weight = 0.1
measure = "severity"
step = 0.05
[[objectives]]
kind = "hidden_mse"
weight = 0.1
layers = [[0, 1]]
[training]
steps = 3
batch_size = 2
max_examples = 20
learning_rate = 1e-3
schedule = {{ kind = "linear", min_ratio = 0.1 }}
component_dropout = {{ heads = 0.1, mlps = {{ from = 0.1, to = 0.2, begin = 1, end = 2 }}, fill = "mean" }}
[baseline]
labelled = 8
[evaluation]
batch_size = 4
resamples = 100
max_examples = 8
[audit]
task = "numerals"
prompts_per_template = 2
resamples = 20
alignment_resamples = 2
names = ["Hat", "Van", "Cup", "Dog", "Fan", "Pan", "Box"]
save_prompts = "prompts.jsonl"
[audit.circuit]
method = "eap_ig"
top_edges = 5
steps = 2
prompts = 2
random = 2
[audit.brittleness]
prompts = 2
curves = false
shift_prompts = 1
[audit.similarity]
rows = 32
resamples = 3
floors = 0
[audit.roles]
resamples = 3
[audit.heads]
sequences = 2
resamples = 5
[audit.patching]
prompts_per_group = 1
resamples = 5
""",
    "text": """name = "mutant"
seed = 3
seeds = 2
[teacher]
kind = "ensemble"
combination = "geometric"
members = [{{ source = "{model}", weight = 1.0 }}, {{ source = "{model}", weight = 2.0 }}]
[student]
kind = "layers"
select = [0]
[data]
kind = "text"
sequence_length = 16
held_out = 0.25
max_examples = 30
max_lost = 0.5
ignore = ["tools"]
sources = [{{ source = "{text}", weight = 1.0 }}, {{ source = "{text}", weight = 2.0 }}]
[[objectives]]
kind = "jensen_shannon"
weight = 0.5
beta = 0.3
temperature = 2.0
[[objectives]]
kind = "skew_reverse_kl"
weight = 0.5
alpha = 0.1
[training]
steps = 3
batch_size = 2
precision = "bf16"
schedule = {{ kind = "constant" }}
learning_rate = 1e-3
checkpoint_every = 1
[evaluation]
batch_size = 4
resamples = 100
[baseline]
train = true
""",
}


def leaves(value, path=()):
    """Every key, of tables and lists, with those of large tables left to the first and last three."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else [])
    if len(items) > 60:
        items = items[:3] + items[-3:]
    for key, below in items:
        yield (*path, key)
        yield from leaves(below, (*path, key))


def replaced(value, path, new):
    value = json.loads(json.dumps(value))
    place = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return value


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else "inf" if math.isinf(value) else repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(below)}" for key, below in value.items() if below is not None) + "}"
    return str(value)


class Runner:
    def __init__(self, limbeck):
        self.limbeck, self.lock = limbeck, threading.Lock()
        self.counts, self.failures, self.worst = {}, [], (0, 0.0)

    def run(self, what, arguments, folder):
        """Runs limbeck; its exit code, peak of resident memory and time decide whether the case failed."""
        began, log = time.monotonic(), folder / "stderr"
        # Address space is limited, far above what is measured, so that a mistaken allocation harms this process only.
        with log.open("wb") as err:
            child = subprocess.Popen([self.limbeck, "--quiet", *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=err,
                                     cwd=folder, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)))
        timer = threading.Timer(SECONDS, child.kill)
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        seconds, memory, code = time.monotonic() - began, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status)
        told = log.read_text(errors="replace")
        reasons = [text for text, wrong in [
            ("past 30 s", seconds >= SECONDS), ("over 1 GiB", memory > BYTES), ("panic", "a defect of limbeck" in told or code == 101),
            (f"exit {code}", code < 0 or code not in (0, 1, 2, 3, 101))] if wrong]
        with self.lock:
            self.counts[code] = self.counts.get(code, 0) + 1
            self.worst = (max(self.worst[0], memory), max(self.worst[1], seconds))
            if reasons:
                self.failures.append((what, reasons, told.strip()[-300:]))
                print("FAILED", what, reasons, told.strip()[-300:], flush=True)
            if LOG:
                print(f"{what}\t{arguments[0]}\t{code}\t{seconds:.2f}\t{memory >> 20}\t{told.strip()[-200:]!r}", file=LOG, flush=True)


LOG = None


def main():
    global LOG
    parts = ["tokenizer.json", "tokenizer_config.json", "config.json", "gpt2 config.json", "generation_config.json", "gguf",
             "gpt2 gguf", "recipe records", *(f"recipe {name}" for name in OTHER_RECIPES)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limbeck", required=True, type=Path)
    parser.add_argument("--part", choices=parts, action="append")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--log", type=Path, help="a line for every run: what, verb, exit code, seconds, MiB, end of what it said")
    arguments = parser.parse_args()
    LOG = arguments.log.open("w") if arguments.log else None
    limbeck, failed = arguments.limbeck.resolve(), 0
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_model(root / "model")
        write_model(root / "plain", plain=True)
        write_gpt2(root / "gpt2")
        data, prompts, text = root / "data.jsonl", root / "prompts.jsonl", root / "text.txt"
        lines = [{"prompt": f"rain {n} on", "completion": f" roof {n % 7}"} for n in range(24)]
        data.write_text("".join(json.dumps(line) + "\n" for line in lines))
        asked = [{"clean": f"rain {n} on", "corrupted": f"rain {n + 1} on", "right": " a", "wrong": " b"} for n in range(1, 7)]
        prompts.write_text("".join(json.dumps(line) + "\n" for line in asked))
        text.write_text("".join(f"Rain {n} on the roof, rain on the quay.\n" for n in range(60)))

        def resolved(recipe):
            file = root / "recipe.toml"
            file.write_text(recipe.format(model=root / "plain", data=data, prompts=prompts, text=text))
            shown = subprocess.run([limbeck, "--json", "validate", file], capture_output=True, text=True)
            if shown.returncode:
                sys.exit(f"the recipe to mutate is refused: {shown.stderr}")
            return json.loads(shown.stdout)["recipe"]

        def write_recipe(recipe, file):
            file.write_text("".join(f"{key} = {toml(value)}\n" for key, value in recipe.items() if value is not None))

        for part in arguments.part or parts:
            runner = Runner(limbeck)
            kind, name = (part.split(" ")[1], "gpt2") if part.startswith("gpt2") else (part.split(" ") + [""])[:2]
            if kind == "recipe":
                source = resolved(RECIPE if name == "records" else OTHER_RECIPES[name])
                # An empty training is one by the defaults: a thousand steps, which take their time.
                mutants = ((".".join(map(str, path)), path, new) for path in leaves(source) for new in AWKWARD
                           if not (path[-1] == "training" and new == {}))
            elif kind == "gguf":
                file = root / f"{name or 'plain'}.gguf"
                model = root / (name or "plain")
                subprocess.run([limbeck, "--quiet", "model", "export", model, "--format", "gguf", "--out", file], check=True,
                               stdout=subprocess.DEVNULL)
                mutants = ((what, None, raw) for what, raw in gguf_mutants(file.read_bytes()))
            else:
                base = root / (name or "model")
                source = json.loads((base / kind).read_text())
                mutants = ((".".join(map(str, path)), path, new) for path in leaves(source) for new in [*AWKWARD, None])
            cases = list(enumerate(mutants))[::arguments.every]
            template = resolved(RECIPE) | {"capture": None}

            def one(case, part=part, kind=kind, name=name, runner=runner):
                number, (place, path, new) = case
                with tempfile.TemporaryDirectory(dir=root) as own:
                    own = Path(own)
                    what = f"{part}: {place} = {str(new)[:20]!r}" if kind != "gguf" else f"{part}: {place}"
                    if kind == "recipe":
                        recipe = own / "recipe.toml"
                        write_recipe(replaced(source, path, new), recipe)
                        runner.run(what, ["run", recipe, "--out", own / "run"], own)
                        return
                    if kind == "gguf":
                        mutant = own / "model.gguf"
                        mutant.write_bytes(new)
                    else:
                        mutant = own / "model"
                        shutil.copytree(root / (name or "model"), mutant)
                        (mutant / kind).write_text(json.dumps(replaced(source, path, new)))
                    more = ["--chat"] if part == "tokenizer_config.json" else []
                    runner.run(what, ["model", "generate", mutant, "--prompt", "rain on the roof", "--max-tokens", "3", *more], own)
                    if number // arguments.every % 3 == 0:
                        teacher, recipe = {"kind": "model", "source": str(mutant)}, own / "recipe.toml"
                        write_recipe(template | {"teacher": teacher, "export": {"hf": True, "gguf": []}}, recipe)
                        runner.run(what, ["run", recipe, "--out", own / "run"], own)

            with ThreadPoolExecutor(arguments.jobs) as pool:
                list(pool.map(one, cases))
            memory, seconds = runner.worst
            print(f"{part}: {len(cases)} mutants, exit codes {dict(sorted(runner.counts.items()))}, {len(runner.failures)} failed, "
                  f"at most {memory >> 20} MiB and {seconds:.1f} s", flush=True)
            failed += len(runner.failures)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
