"""Writes tests/goldens/backend_ops.json: what PyTorch computes for the operations of worker/tensor/backend.h.

Needs torch (transformers for the rotary embedding). Inputs are a formula of (row, column, seed), the same as in
tests/conformance/backend_case.h, so that only outputs are stored. Everything is computed in float64 from inputs that
are exact in float32; for "bf16" entries the inputs are first rounded to bfloat16.

    python scripts/conformance/backend_goldens.py
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb


def wave(rows, cols, seed, amplitude=1.0):
    def element(i, j):
        mixed = (i * 7919 + j * 104729 + seed * 15485863 + i * j * 31) & 0xFFFFFFFF
        hashed = ((mixed ^ (mixed >> 13)) * 2654435761) & 0xFFFFFFFF
        return ((hashed ^ (hashed >> 15)) >> 8) / 8388608.0 - 1.0

    return amplitude * torch.tensor([[element(i, j) for j in range(cols)] for i in range(rows)], dtype=torch.float64)


def round_to(matrix, dtype):
    return matrix.to(torch.bfloat16 if dtype == "bf16" else torch.float32).to(torch.float64)


def attention(dtype, window):
    """Two sequences of 13 tokens, two groups of two heads, qk 8, vo 12, scale 0.3."""
    sequences, length, groups, per_group, qk, vo = 2, 13, 2, 2, 8, 12
    heads = groups * per_group
    leaves = []
    for seed, width in ((1, heads * qk), (2, groups * qk), (3, groups * vo)):
        leaves.append(round_to(wave(sequences * length, width, seed), dtype).requires_grad_())
    q, k, v = (x.view(sequences, length, -1, d).transpose(1, 2) for x, d in zip(leaves, (qk, qk, vo)))
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    mask = (distance >= 0) & (distance < (window or length))
    out = F.scaled_dot_product_attention(
        q, k.repeat_interleave(per_group, 1), v.repeat_interleave(per_group, 1), attn_mask=mask, scale=0.3)
    out = out.transpose(1, 2).reshape(sequences * length, heads * vo)
    out.backward(round_to(wave(sequences * length, heads * vo, 4), dtype))
    return {"out": out, "d_q": leaves[0].grad, "d_k": leaves[1].grad, "d_v": leaves[2].grad}


def rms_norm():
    x, gain = wave(3, 37, 1, 3.0).requires_grad_(), wave(1, 37, 2)
    out = F.rms_norm(x, (37,), gain[0], 1e-5)
    out.backward(wave(3, 37, 3))
    return {"out": out, "d_x": x.grad}


def rope():
    """Five positions, two heads of 12, angles position * (pair + 1) * 0.37; as transformers turns Llama's heads."""
    x = wave(5, 24, 1).view(1, 5, 2, 12).transpose(1, 2)
    angles = torch.arange(5, dtype=torch.float64)[:, None] * torch.arange(1, 7, dtype=torch.float64)[None, :] * 0.37
    full = torch.cat((angles, angles), -1)[None]
    turned, _ = apply_rotary_pos_emb(x, x, full.cos(), full.sin())
    return {"out": turned.transpose(1, 2).reshape(5, 24)}


def swiglu():
    gate, up = wave(3, 21, 1, 4.0).requires_grad_(), wave(3, 21, 2).requires_grad_()
    out = F.silu(gate) * up
    out.backward(wave(3, 21, 3))
    return {"out": out, "d_gate": gate.grad, "d_up": up.grad}


def output(dtype):
    hidden, head = round_to(wave(11, 33, 1), dtype).requires_grad_(), round_to(wave(50, 33, 2), dtype)
    labels = torch.tensor([-100 if t % 5 == 3 else t * 17 % 50 for t in range(11)])
    losses = F.cross_entropy(hidden @ head.T, labels, reduction="none")
    losses.sum().backward()
    return {"losses": losses[None], "d_hidden": hidden.grad}


def solvers():
    x = wave(9, 9, 11)
    gram = x.T @ x + torch.eye(9, dtype=torch.float64)
    return {
        "cholesky": torch.linalg.cholesky(gram),
        "inverse": torch.linalg.inv(gram),
        "eigenvalues": torch.linalg.eigvalsh(gram).flip(0)[None],
        "singular_values": torch.linalg.svdvals(wave(9, 5, 6))[None],
    }


def main():
    cases = {"rms_norm": rms_norm(), "rope": rope(), "swiglu": swiglu(), "solvers": solvers()}
    for dtype in ("f32", "bf16"):
        cases[f"attention_{dtype}"] = attention(dtype, None)
        cases[f"attention_window_{dtype}"] = attention(dtype, 5)
        cases[f"output_{dtype}"] = output(dtype)
    stored = {
        case: {name: [[float(f"{v:.12g}") if case == "solvers" else float(f"{v:.8g}") for v in row]
                      for row in matrix.tolist()] for name, matrix in tensors.items()}
        for case, tensors in cases.items()
    }
    target = pathlib.Path(__file__).parents[2] / "tests" / "goldens" / "backend_ops.json"
    target.write_text(json.dumps(stored, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
