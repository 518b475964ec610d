#!/usr/bin/env python3
"""Tokens a second in llama.cpp and transformers: the counterpart of `limbeck bench generate`.

    python generate_peers.py --engine llama.cpp --model MODEL.gguf [--prompt-tokens N] [--new-tokens N]
    python generate_peers.py --engine transformers --model FOLDER [--dtype f32|bf16] [--batch B] ...

Random prompts, greedy choice, keys and values cached. Prefill is the time from the prompt to the first new token's
logits, decoding the time of the rest. One run warms up; medians of the others are printed as one JSON object.
llama.cpp through llama-cpp-python reads one prompt at a time, so --batch is 1 there.

MODEL.gguf as F16 or Q8_0 and FOLDER come from one model by `limbeck model export`. Needs llama-cpp-python, or torch and
transformers (pip install them in a virtual environment outside this repository).
"""

import argparse
import json
import os
import random
import statistics
import time


def peak_rss_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def llama_cpp(arguments, threads):
    """Returns the vocabulary's size and a function from prompts to (prefill seconds, decode seconds)."""
    from llama_cpp import Llama

    if arguments.batch != 1:
        raise SystemExit("llama-cpp-python reads one prompt at a time: --batch 1")
    context = arguments.prompt_tokens + arguments.new_tokens
    llama = Llama(
        model_path=arguments.model,
        n_ctx=context,
        n_batch=max(arguments.prompt_tokens, 32),
        n_ubatch=max(arguments.prompt_tokens, 32),
        n_threads=threads,
        n_threads_batch=threads,
        logits_all=False,
        verbose=False,
    )

    def run(prompts):
        llama.reset()
        began = time.perf_counter()
        llama.eval(prompts[0])
        token = llama.sample(temp=0.0)
        first = time.perf_counter()
        for _ in range(arguments.new_tokens - 1):
            llama.eval([token])
            token = llama.sample(temp=0.0)
        return first - began, time.perf_counter() - first

    return llama.n_vocab(), run


def transformers(arguments, threads):
    """As llama_cpp."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[arguments.dtype]
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=dtype).eval()

    @torch.inference_mode()
    def run(prompts):
        ids = torch.tensor(prompts)
        began = time.perf_counter()
        out = model(input_ids=ids, use_cache=True, logits_to_keep=1)
        ids = out.logits[:, -1].argmax(-1, keepdim=True)
        first = time.perf_counter()
        for _ in range(arguments.new_tokens - 1):
            out = model(input_ids=ids, past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
            ids = out.logits[:, -1].argmax(-1, keepdim=True)
        return first - began, time.perf_counter() - first

    return model.config.vocab_size, run


def main():
    parser = argparse.ArgumentParser(description="tokens a second in llama.cpp and transformers")
    parser.add_argument("--engine", choices=["llama.cpp", "transformers"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="of transformers")
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="all cores when absent")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    threads = arguments.threads or len(os.sched_getaffinity(0))
    engine = {"llama.cpp": llama_cpp, "transformers": transformers}[arguments.engine]
    vocab, run = engine(arguments, threads)
    draw = random.Random(arguments.seed)
    prompts = [[draw.randrange(vocab) for _ in range(arguments.prompt_tokens)] for _ in range(arguments.batch)]
    runs = [run(prompts) for _ in range(arguments.rounds + 1)][1:]
    prefill = statistics.median(seconds for seconds, _ in runs)
    decode = statistics.median(seconds for _, seconds in runs)
    steps = arguments.new_tokens - 1
    print(
        json.dumps(
            dict(
                engine=arguments.engine,
                model=arguments.model,
                threads=threads,
                batch=arguments.batch,
                prompt_tokens=arguments.prompt_tokens,
                new_tokens=arguments.new_tokens,
                prefill_ms=prefill * 1e3,
                prefill_tokens_per_second=arguments.batch * arguments.prompt_tokens / prefill,
                decode_ms_per_token=decode / steps * 1e3,
                decode_tokens_per_second=arguments.batch * steps / decode,
                peak_rss_mib=peak_rss_mib(),
            ),
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
