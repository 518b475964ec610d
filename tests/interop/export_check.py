"""Checks that an exported model loads elsewhere: the folder in transformers, the GGUF file in llama.cpp.

    limbeck model logits STUDENT --text TEXT --out LOGITS.safetensors
    limbeck model generate STUDENT --prompt PROMPT --tokens N > TEXT_FILE        (greedy; prompt and continuation, or the latter)
    python export_check.py STUDENT_FOLDER --logits LOGITS.safetensors [--gguf MODEL.gguf --prompt PROMPT --tokens N]
                           [--generated TEXT_FILE]

1. transformers loads the folder and gives the same logits (1e-3) for the ids in LOGITS.safetensors.
2. llama.cpp loads the GGUF file and, greedily, continues PROMPT with the same tokens as transformers does from the folder; with
   --generated also with the same text as Limbeck. For a quantised GGUF a later divergence is possible; use the F32 one here.

Exits with 1 when something differs. Needs torch, transformers, safetensors, llama-cpp-python.
"""

import argparse
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def check_logits(model, path, tolerance):
    found = load_file(str(path))
    ids, logits = found["input_ids"].long().flatten(), found["logits"].float()
    with torch.no_grad():
        expected = model(input_ids=ids[None]).logits[0].float()
    difference = (logits - expected).abs().max().item()
    print(f"transformers: {len(ids)} positions, largest difference {difference:.3e}")
    return difference <= tolerance


def check_gguf(model, tokenizer, path, prompt, tokens):
    from llama_cpp import Llama

    llama = Llama(model_path=str(path), n_ctx=512, verbose=False, logits_all=False, seed=0)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    llama_ids = llama.tokenize(prompt.encode(), add_bos=False, special=True)
    same_ids = llama_ids == ids[0].tolist()
    print(f"token ids of the prompt: {'equal' if same_ids else f'{llama_ids} against {ids[0].tolist()}'}")
    with torch.no_grad():
        out = model.generate(ids, do_sample=False, max_new_tokens=tokens, repetition_penalty=1.0, pad_token_id=0)
    expected = out[0, ids.shape[1]:].tolist()
    found = []
    for token in llama.generate(llama_ids, temp=0.0, top_k=1, repeat_penalty=1.0):
        if token == llama.token_eos() or len(found) == tokens:
            break
        found.append(token)
    eos = llama.token_eos()
    expected = expected[: expected.index(eos)] if eos in expected else expected
    common = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
    text = tokenizer.decode(found)
    print(f"llama.cpp: {common} of {len(expected)} greedy tokens equal: {text!r}")
    return same_ids and found == expected, text


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--logits", type=pathlib.Path)
    arguments.add_argument("--gguf", type=pathlib.Path)
    arguments.add_argument("--prompt", default="Van done in 1. Hat done in 2. Ring done in 3. Desk done in 4. Sun done in")
    arguments.add_argument("--tokens", type=int, default=24)
    arguments.add_argument("--generated", type=pathlib.Path)
    arguments.add_argument("--tolerance", type=float, default=1e-3)
    options = arguments.parse_args()

    model = AutoModelForCausalLM.from_pretrained(str(options.folder), dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(options.folder))
    fine = True
    if options.logits:
        fine &= check_logits(model, options.logits, options.tolerance)
    if options.gguf:
        same, text = check_gguf(model, tokenizer, options.gguf, options.prompt, options.tokens)
        fine &= same
        if options.generated:
            mine = options.generated.read_text().strip().removeprefix(options.prompt.strip()).strip()
            equal = mine == text.strip()
            print(f"limbeck: {'equal text' if equal else repr(mine)}")
            fine &= equal
    print("fine" if fine else "different")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
