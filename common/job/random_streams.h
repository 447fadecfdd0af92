#pragma once
#include <cstdint>

namespace cce {

/// The random streams of a seed: what is drawn from one never depends on what is drawn from another. Every
/// draw of the project takes its stream from this list. A number decides the bytes of results, so it never
/// changes once it has been in use.
enum class RandomStream : std::uint64_t {
  spectrum_basis = 0,    ///< first basis of a subspace iteration; of seed 0 in every job
  labels = 1,            ///< a label of the model's own softmax for each calibration token
  sketch_left = 5,       ///< Φ₁ of the similarity sketch
  sketch_right = 2,      ///< Φ₂
  ridge_selection = 3,   ///< directions in which candidates of λ are compared; of seed 0 in every job
  scatter = 4,           ///< ablation: which survivor takes over a removed neuron
  refine_start = 900,    ///< where a refinement step's run of sequences starts
  training_order = 1000  ///< the order of the first fine-tuning text's windows; text t has this number + t
};

}  // namespace cce
