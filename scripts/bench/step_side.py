#!/usr/bin/env python3
"""A plain PyTorch loop of the step that cce-step-bench takes: the same shapes, losses, dtype and recomputation.

Random weights of SmolLM2-135M's shapes; teacher in bf16 without gradients; student in bf16 with gradient checkpointing,
L_rec at every layer, KL over whole logits, clipping, AdamW on fp32 masters that are copied back to bf16. With
--autocast the student's parameters are fp32 and autocast does the rounding. Prints the median step in milliseconds.
"""
import argparse
import statistics
import time

import torch
import transformers

LENGTH = 1024


def model_of(width, seed, dtype):
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(hidden_size=576, intermediate_size=width, num_hidden_layers=30,
                                      num_attention_heads=9, num_key_value_heads=3, vocab_size=49152,
                                      max_position_embeddings=2048, tie_word_embeddings=True, use_cache=False)
    return transformers.LlamaForCausalLM(config).to(dtype)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sequences", type=int, default=2)
    parser.add_argument("--width", type=int, default=1088)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--autocast", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.set_verbosity_error()
    teacher = model_of(1536, 1, torch.bfloat16).eval()
    student = model_of(arguments.width, 2, torch.float32 if arguments.autocast else torch.bfloat16)
    student.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    student.train()
    student.get_input_embeddings().weight.requires_grad_(False)
    trained = [p for p in student.parameters() if p.requires_grad]
    masters = trained if arguments.autocast else [p.detach().float().clone() for p in trained]
    optimiser = torch.optim.AdamW(masters, lr=3e-4, foreach=True)
    tokens = (torch.arange(arguments.sequences * LENGTH) * 7919 % 49152).view(arguments.sequences, LENGTH)

    def losses():
        with torch.no_grad():
            expected = teacher(input_ids=tokens, output_hidden_states=True)
        found = student(input_ids=tokens, output_hidden_states=True)
        # The last hidden state of transformers has passed the final norm, which costs the same to compare.
        rec = sum((((a.float() - b.float()) ** 2).sum(-1) / (b.float() ** 2).sum(-1)).mean()
                  for a, b in zip(found.hidden_states[1:], expected.hidden_states[1:])) / 30
        kl = torch.nn.functional.kl_div(found.logits.float().log_softmax(-1).flatten(0, 1),
                                        expected.logits.float().log_softmax(-1).flatten(0, 1), log_target=True,
                                        reduction="batchmean")
        return rec + kl

    def step():
        if arguments.autocast:
            with torch.autocast("cpu", torch.bfloat16):
                loss = losses()
        else:
            loss = losses()
        loss.backward()
        if not arguments.autocast:
            for master, parameter in zip(masters, trained):
                master.grad = parameter.grad.float()
                parameter.grad = None
        torch.nn.utils.clip_grad_norm_(masters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        if not arguments.autocast:
            with torch.no_grad():
                for master, parameter in zip(masters, trained):
                    parameter.copy_(master)

    step()
    seconds, processor = [], []
    for _ in range(arguments.steps):
        started, used = time.perf_counter(), time.process_time()
        step()
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    print(f"step {1e3 * statistics.median(seconds):.1f} ms (median of {arguments.steps}, least {1e3 * min(seconds):.1f}), "
          f"processor time {1e3 * statistics.median(processor):.1f} ms")


if __name__ == "__main__":
    main()
