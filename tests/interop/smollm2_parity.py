"""Compares Limbeck's logits for a GGUF model with those of transformers reading the same file.

    limbeck model logits MODEL.gguf --text TEXT --out LOGITS.safetensors
    python smollm2_parity.py MODEL.gguf LOGITS.safetensors [--tolerance 1e-2]

LOGITS.safetensors holds `input_ids` [n] and `logits` [n, vocab]. Prints the largest difference and exits with 1 when it is above
the tolerance or the most likely next token differs anywhere. Needs torch, transformers, accelerate, gguf,
safetensors.
"""

import argparse
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", type=pathlib.Path)
    arguments.add_argument("logits", type=pathlib.Path)
    arguments.add_argument("--text", help="also compare the token ids with those of transformers' tokenizer for this text")
    arguments.add_argument("--tolerance", type=float, default=1e-2)
    options = arguments.parse_args()

    found = load_file(str(options.logits))
    ids, logits = found["input_ids"].long().flatten(), found["logits"].float()
    folder, name = str(options.model.parent), options.model.name
    if options.text is not None:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
        expected_ids = tokenizer(options.text)["input_ids"]
        assert ids.tolist() == expected_ids, f"token ids {ids.tolist()} against {expected_ids}"
        print(f"{len(expected_ids)} token ids equal")
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(input_ids=ids[None]).logits[0].float()
    difference = (logits - expected).abs().max().item()
    agreement = (logits.argmax(-1) == expected.argmax(-1)).float().mean().item()
    print(f"{len(ids)} positions, vocabulary {logits.shape[1]}: largest difference {difference:.3e}, agreement {agreement:.4f}")
    sys.exit(0 if difference <= options.tolerance and agreement == 1.0 else 1)


if __name__ == "__main__":
    main()
