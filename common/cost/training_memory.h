#pragma once
#include <vector>

#include "common/cost/memory_forecast.h"

namespace cce {

/// What fine-tuning holds on one rank beyond the terms of every stage, where its device computes. P ranks, t
/// the rank's tokens of a step, p parameters of a trained layer, n the width of a sub-block's features, s =
/// 256 the width of a sketch, S the numbers of a signature (s², or d² where d ≤ s), the rest as in
/// forecast_memory; trained shapes are the model's own or, after encode, the kept share of them:
///   owned layers      master, gradient and both moments 16 p; the copy that computes w p; with gamma > 0 the
///                     polar factors of L_reg 4 p; with beta > 0 for each sub-block the covariance of L_sim
///                     and its image under the sketch 4 n² + 8 n s (8 n s: 4 n d where d ≤ s). All sub-blocks
///                     count, as if each had a partner: those without one are let go after the first look
///   every rank        gradient of a visiting layer 4 p with P > 1; boundaries and gradient (L + 2) t d 4;
///   with
///                     alpha > 0 gradients of L_rec L t d w; what the output layer takes of a sequence,
///                     length (2 d w + d 4); with alpha or kl > 0 the teacher's stream t d 4, its embedding
///                     and head, its mapped checkpoint where it has its own, its two packed layers; with beta
///                     > 0 the sketch's Gaussians d s (16 + 8); with validation texts its embedding and a
///                     chunk's streams
///   work of the terms the largest of three, which do not meet. Signatures of all sub-blocks of a kind and
///                     their slopes, 16 L S, with one sub-block's products 8 s max(n, d) + 4 S. The polar
///                     factor of the largest matrix a × d, smaller side c: a d (8 + h) + c² (8 + h), h = 8 in
///                     bf16 (each operand in halves) and 4 in f32, and 20 a d + 24 c² where eigenvectors have
///                     to finish it. The windows (16 at most) that covariances are measured on: their stream,
///                     and the embedding or one sub-block's sums, (k + 12) n² (k + 4 for the Gram matrix and
///                     its micro-batch, 8 for the centred one) with a sequence's features and scratch, on a
///                     CPU less the boundaries, whose pages nothing has touched by then
/// A CPU gives each matrix of 4 MiB or more in huge pages of 2 MiB, and so it is counted. Pure.
std::vector<MemoryTerm> training_memory(const JobSpec& spec, const ModelConfig& config,
                                        const CheckpointSize& size, const Partition& partition,
                                        std::int64_t rank, std::int64_t scratch_bytes_per_token);

}  // namespace cce
