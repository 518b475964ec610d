"""Every key of a small model's tokenizer files, and of a recipe that is run, replaced by each of twenty awkward values.

    python tests/mutations/mutate.py --limbeck target/debug/limbeck [--part tokenizer.json] [--every 3] [--jobs 2]

Nothing but Python is needed. A case fails when the program panics or is killed by a signal, takes more than 1 GiB or more
than 30 seconds. Prints the failures, and one line of figures for each part. Exit code 1 when something failed.
"""

import argparse
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def write_model(folder):
    folder.mkdir(parents=True)
    width, mlp, vocab, layers = 16, 32, 264, 2
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": vocab, "hidden_size": width,
              "num_hidden_layers": layers, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": mlp,
              "max_position_embeddings": 64, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "tie_word_embeddings": True}
    shapes = {"model.embed_tokens.weight": [vocab, width], "model.norm.weight": [width]}
    for layer in range(layers):
        at = f"model.layers.{layer}."
        shapes |= {at + f"self_attn.{name}_proj.weight": [width, width] for name in "qkvo"}
        shapes |= {at + "mlp.gate_proj.weight": [mlp, width], at + "mlp.up_proj.weight": [mlp, width],
                   at + "mlp.down_proj.weight": [width, mlp]}
        shapes |= {at + f"{name}_layernorm.weight": [width] for name in ("input", "post_attention")}
    dice, header, data = random.Random(1), {}, b""
    for name, shape in shapes.items():
        count = math.prod(shape)
        values = struct.pack(f"<{count}f", *(dice.gauss(0, 0.1) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))


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
resamples = 50
alignment_resamples = 5
[export]
hf = true
gguf = ["q8_0"]
[[gates]]
measure = "evaluation.student.accuracy"
at_least = 0.0
"""


def leaves(value, path=()):
    """Every key, of tables and lists, with those of large tables left to the first and last three."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else [])
    if len(items) > 30:
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
        return json.dumps(value).replace("\\u0000", "\\u0000")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return "{}" if isinstance(value, dict) else str(value)


class Runner:
    def __init__(self, limbeck):
        self.limbeck, self.lock = limbeck, threading.Lock()
        self.counts, self.failures, self.worst = {}, [], (0, 0.0)

    def run(self, what, arguments, folder):
        began, log = time.monotonic(), folder / "stderr"
        # Of the shell's own limits only the file size is set: memory is measured, not limited.
        with log.open("wb") as err:
            child = subprocess.Popen([self.limbeck, "--quiet", *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=err,
                                     cwd=folder)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limbeck", required=True, type=Path)
    parser.add_argument("--part", choices=["tokenizer.json", "tokenizer_config.json", "recipe"], action="append")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        model = root / "model"
        write_model(model)
        data, prompts = root / "data.jsonl", root / "prompts.jsonl"
        lines = [{"prompt": f"rain {n} on", "completion": f" roof {n % 7}"} for n in range(24)]
        data.write_text("".join(json.dumps(line) + "\n" for line in lines))
        asked = [{"clean": f"rain {n} on", "corrupted": f"rain {n + 1} on", "right": " a", "wrong": " b"} for n in range(1, 7)]
        prompts.write_text("".join(json.dumps(line) + "\n" for line in asked))
        recipe = root / "recipe.toml"
        recipe.write_text(RECIPE.format(model=model, data=data, prompts=prompts))
        shown = subprocess.run([arguments.limbeck, "--json", "validate", recipe], capture_output=True, text=True, check=True)
        resolved = json.loads(shown.stdout)["recipe"]
        sources = {"tokenizer.json": tokenizer_json(), "tokenizer_config.json": TOKENIZER_CONFIG, "recipe": resolved}
        for part in arguments.part or sources:
            runner, source = Runner(arguments.limbeck.resolve()), sources[part]
            cases = [(path, new) for path in leaves(source) for new in [*AWKWARD, None] if part != "recipe" or new is not None]
            cases = cases[::arguments.every]

            def one(case, part=part, source=source, runner=runner):
                (path, new), name = case, ".".join(map(str, case[0]))
                with tempfile.TemporaryDirectory(dir=root) as own:
                    own = Path(own)
                    what = f"{part}: {name} = {str(new)[:20]!r}"
                    if part == "recipe":
                        sets = ["--set", f"{name}={toml(new)}"] if "\0" not in str(new) else ["--set", f'{name}="\\u0000"']
                        runner.run(what, ["run", recipe, "--out", own / "run", *sets], own)
                        return
                    mutant = own / "model"
                    shutil.copytree(model, mutant)
                    (mutant / part).write_text(json.dumps(replaced(source, path, new)))
                    more = ["--chat"] if part == "tokenizer_config.json" else []
                    runner.run(what, ["model", "generate", mutant, "--prompt", "rain on the roof", "--max-tokens", "3", *more], own)

            with ThreadPoolExecutor(arguments.jobs) as pool:
                list(pool.map(one, cases))
            memory, seconds = runner.worst
            print(f"{part}: {len(cases)} cases, exit codes {dict(sorted(runner.counts.items()))}, {len(runner.failures)} failed, "
                  f"at most {memory >> 20} MiB and {seconds:.1f} s", flush=True)
            failed += len(runner.failures)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
