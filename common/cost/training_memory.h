#pragma once
#include <vector>

#include "common/cost/memory_forecast.h"

namespace cce {

/// What fine-tuning holds on one rank beyond the terms of every stage, where its device computes. P ranks, t
/// the rank's tokens of a step, p parameters of a trained layer, n the width of a sub-block's features, s =
/// 256 the width of a sketch, S the numbers of a signature (s², or d² where d ≤ s), the rest as in
/// forecast_memory; trained shapes are the model's own or, after encode, the kept share of them:
///   owned layers
///     master, gradient and both moments   16 p
///     the copy that computes              w p
///     polar factors of L_reg              4 p             gamma > 0
///     covariance of L_sim and its image   4 n² + 8 n s    beta > 0, each sub-block; 4 n² + 4 n d where d ≤ s
///   every rank
///     gradient of a visiting layer        4 p             P > 1
///     boundaries and gradient             (L + 2) t d 4
///     gradients of L_rec                  L t d w         alpha > 0
///     the output layer, of a sequence     length (2 d w + d 4)
///     the teacher                         t d 4, embedding and head, two packed layers, its mapped checkpoint
///                                         where it has its own   alpha > 0 or kl > 0
///     the sketch's Gaussians              d s (16 + 8)    beta > 0
///     validation                          its embedding and a chunk's streams   with validation texts
///   the largest of three, which are never held together
///     signatures and slopes of a kind     16 L S + 8 s max(n, d) + 4 S
///     polar factor of the largest matrix  a d (8 + h) + c² (8 + h) + 20 a d + 24 c²
///     measuring covariances               (k + 12) n² or the embedding, with a sequence's features and scratch
/// Sub-blocks count for L_sim as if each had a partner; those without one are freed after the first look. The
/// largest matrix is a × d with smaller side c; h = 8 in bf16 (each operand in halves), 4 in f32; the last two
/// terms are for eigenvectors, where they have to finish it. Covariances are measured on at most 16 windows,
/// whose stream counts; k + 4 is the Gram matrix and its micro-batch, 8 the centred one; a CPU has not touched
/// the pages of the boundaries by then, which are taken off.
/// On a CPU each matrix of 4 MiB or more is rounded up to huge pages of 2 MiB. Pure.
std::vector<MemoryTerm> training_memory(const JobSpec& spec, const ModelConfig& config,
                                        const CheckpointSize& size, const Partition& partition,
                                        std::int64_t rank);

}  // namespace cce
