#!/usr/bin/env python3
"""Makes tests/data/models/finetune_teacher and tests/goldens/finetune_step.safetensors.

One fp32 step of fine-tuning as PyTorch's autograd takes it: the student is tests/data/models/custom_mixed (layers that
differ in widths, rotary pairs, biases and sub-blocks), the teacher a dense random model of the same stream. Needs torch,
transformers and safetensors; the test needs none of them.

The loss is alpha L_rec + kl KL + beta L_sim + gamma L_reg + delta L_task:
  L_rec   mean over layers and tokens of |student - teacher|^2 / |teacher|^2 at the stream after each layer
  KL      mean over tokens of KL(teacher || student), natural logarithm, temperature 1
  L_sim   mean over both kinds, FFN and attention, of the mean over all pairs of that kind of S(i, j)^2: S the cosine of
          K = W^T C W, W the output matrix (features x stream), C the centred covariance of its input features on these
          tokens at the start, a constant
  L_reg   sum over the layers' matrices of nuclear norm / Frobenius norm
  L_task  mean over tokens with a successor of -log p(successor)
then the gradient is scaled to a norm of at most `clip` and AdamW takes its first step.

The golden holds, all F32:
  tokens                  sequences x length
  settings                alpha, kl, beta, gamma, delta, clip, learning rate, beta1, beta2, epsilon, weight decay
  terms                   L_rec, KL, L_sim, L_reg, L_task, total, gradient norm
  covariance.KIND.LAYER   C of a sub-block, KIND = ffn or attention
  gradient.NAME, stepped.NAME   of each trained tensor, before clipping and after the step
"""
import pathlib
import shutil
import sys
import tempfile

import torch
import transformers
from safetensors.torch import save_file

from model_goldens import COMMON, randomise

ROOT = pathlib.Path(__file__).resolve().parents[2]
LENGTH, SEQUENCES = 12, 2
SETTINGS = dict(alpha=1.0, kl=0.8, beta=0.3, gamma=0.02, delta=0.25, clip=0.5, learning_rate=1e-2, beta1=0.9, beta2=0.95,
                epsilon=1e-3, weight_decay=0.1)


def load(name):
    with tempfile.TemporaryDirectory() as folder:  # with the modelling file that the folder's config names
        folder = pathlib.Path(folder) / name
        shutil.copytree(ROOT / "tests/data/models" / name, folder)
        shutil.copy(ROOT / "worker/model/modeling_cce.py", folder)
        return transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=True, attn_implementation="sdpa").eval()


def make_teacher(embedding):
    folder = ROOT / "tests/data/models/finetune_teacher"
    shutil.rmtree(folder, ignore_errors=True)
    config = transformers.MistralConfig(hidden_size=32, intermediate_size=24, num_hidden_layers=4, num_attention_heads=4,
                                        num_key_value_heads=2, head_dim=8, sliding_window=6, tie_word_embeddings=True,
                                        **COMMON)
    torch.manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomise(model, 7)
    model.model.embed_tokens.weight.data.copy_(embedding)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for written in folder.iterdir():
        written.chmod(0o644)


def run(model, tokens):
    """Logits, the streams after each layer, and the input features of each output matrix."""
    streams, features = [], {}
    hooks = []
    for index, layer in enumerate(model.model.layers):
        hooks.append(layer.register_forward_hook(
            lambda module, args, output: streams.append(output[0] if isinstance(output, tuple) else output)))
        for kind, matrix in output_matrices(layer).items():
            hooks.append(matrix.register_forward_pre_hook(
                lambda module, args, key=(kind, index): features.__setitem__(key, args[0].flatten(0, 1))))
    logits = model(input_ids=tokens).logits
    for hook in hooks:
        hook.remove()
    return logits, streams, features


def output_matrices(layer):
    attention, ffn = getattr(layer, "self_attn", None), getattr(layer, "mlp", None)
    return ({"attention": attention.o_proj} if attention is not None else {}) | ({"ffn": ffn.down_proj} if ffn is not None
                                                                                 else {})


def similarity_loss(model, covariances):
    means = []
    for kind in ("ffn", "attention"):
        signatures = []
        for (own_kind, layer), covariance in covariances.items():
            if own_kind == kind:
                weight = output_matrices(model.model.layers[layer])[kind].weight
                signatures.append((weight @ covariance @ weight.T).flatten())
        pairs = [torch.cosine_similarity(a, b, dim=0) ** 2 for i, a in enumerate(signatures) for b in signatures[:i]]
        means.append(torch.stack(pairs).mean())
    return torch.stack(means).mean()


def main():
    student = load("custom_mixed")
    make_teacher(student.model.embed_tokens.weight.data)
    teacher = load("finetune_teacher")
    s = SETTINGS
    tokens = torch.randint(0, 61, (SEQUENCES, LENGTH), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        teacher_logits, teacher_streams, _ = run(teacher, tokens)
    logits, streams, features = run(student, tokens)

    covariances = {key: torch.cov(value.detach().T, correction=0).reshape(value.shape[1], -1)
                   for key, value in sorted(features.items())}
    errors = [((a - b) ** 2).sum(-1) / (b ** 2).sum(-1) for a, b in zip(streams, teacher_streams)]
    log_q, log_p = logits.log_softmax(-1), teacher_logits.log_softmax(-1)
    trained = {name: parameter for name, parameter in student.named_parameters() if "embed" not in name}
    matrices = [parameter for name, parameter in trained.items() if parameter.dim() == 2]
    terms = dict(
        rec=torch.stack(errors).mean(),
        kl=(log_p.exp() * (log_p - log_q)).sum(-1).mean(),
        sim=similarity_loss(student, covariances),
        reg=sum(torch.linalg.matrix_norm(w, "nuc") / torch.linalg.matrix_norm(w) for w in matrices),
        task=torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()))
    total = (s["alpha"] * terms["rec"] + s["kl"] * terms["kl"] + s["beta"] * terms["sim"] + s["gamma"] * terms["reg"] +
             s["delta"] * terms["task"])
    total.backward()

    golden = {"tokens": tokens.float(), "settings": torch.tensor(list(s.values()))}
    golden |= {f"covariance.{kind}.{layer}": c for (kind, layer), c in covariances.items()}
    golden |= {"gradient." + name: parameter.grad.clone() for name, parameter in trained.items()}
    norm = torch.nn.utils.clip_grad_norm_(trained.values(), s["clip"])
    golden["terms"] = torch.stack([*terms.values(), total, norm])
    groups = [dict(params=[p for p in trained.values() if p.dim() == 2], weight_decay=s["weight_decay"]),
              dict(params=[p for p in trained.values() if p.dim() == 1], weight_decay=0.0)]
    torch.optim.AdamW(groups, lr=s["learning_rate"], betas=(s["beta1"], s["beta2"]), eps=s["epsilon"]).step()
    golden |= {"stepped." + name: parameter.data.clone() for name, parameter in trained.items()}
    golden = {name: tensor.detach().float().contiguous() for name, tensor in golden.items()}
    path = ROOT / "tests/goldens/finetune_step.safetensors"
    save_file(golden, path)
    path.chmod(0o644)
    print({name: round(term.item(), 6) for name, term in terms.items()}, f"norm {norm:.4f}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
