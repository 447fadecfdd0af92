#pragma once

namespace cce {

/// What an FFN's gate goes through: g σ(v(g)) with
enum class Activation {
  silu,       ///< v(g) = g; "silu" or "swish" in config.json
  gelu_tanh,  ///< v(g) = 2 √(2/π) (g + 0.044715 g³): GELU's tanh form (arXiv 1606.08415); "gelu_pytorch_tanh"
};

}  // namespace cce
