#pragma once
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace cce {

// Rotary positions (arXiv 2104.09864) and what stretches them to longer texts than the model was trained on, as
// transformers has them under rope_type. Defaults that transformers derives from other keys are filled in.

/// Positions divided by `factor` ("linear").
struct LinearRope {
  double factor = 1.0;
  bool operator==(const LinearRope&) const = default;
};

/// A base that grows with texts longer than max_positions ("dynamic"); no effect on others.
struct DynamicRope {
  double factor = 1.0;
  std::int64_t max_positions = 0;
  bool operator==(const DynamicRope&) const = default;
};

/// YaRN, arXiv 2309.00071 ("yarn"): slow pairs divided by `factor`, fast ones kept, a ramp between them.
struct YarnRope {
  double factor = 1.0;
  double attention_factor = 1.0;             ///< of queries and keys alike
  double beta_fast = 32.0, beta_slow = 1.0;  ///< turns over the original length at the ramp's ends
  bool truncate = true;                      ///< the ramp's ends are whole pairs
  std::int64_t original_max_position = 0;
  bool operator==(const YarnRope&) const = default;
};

/// A factor for each pair, of two sets by the text's length (LongRoPE, arXiv 2402.13753; "longrope").
struct LongRope {
  std::vector<double> short_factor, long_factor;  ///< a number for each pair
  double attention_factor = 1.0;
  std::int64_t original_max_position = 0;  ///< longer texts take the long factors
  bool operator==(const LongRope&) const = default;
};

/// Llama 3's scaling by frequency ("llama3").
struct Llama3Rope {
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  std::int64_t original_max_position = 8192;
  bool operator==(const Llama3Rope&) const = default;
};

using RopeScaling = std::variant<LinearRope, DynamicRope, YarnRope, LongRope, Llama3Rope>;

struct RopeSettings {
  double theta = 10000.0;
  std::optional<RopeScaling> scaling;
  bool operator==(const RopeSettings&) const = default;
};

}  // namespace cce
