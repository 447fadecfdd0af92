#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace cce {

/// What one layer keeps. A dense layer has every group, pair and neuron; the layers of a compressed one may
/// differ.
struct LayerShape {
  bool has_attention = true;
  bool has_ffn = true;
  std::int64_t kv_groups = 0;          ///< key/value heads
  std::int64_t queries_per_group = 0;  ///< query heads that share one key/value head
  std::int64_t qk_dim = 0;  ///< width of a query or key head; even (rotary pairs j, j + qk_dim / 2)
  std::int64_t vo_dim = 0;  ///< width of a value head
  std::int64_t ffn_width = 0;
  bool q_bias = false, k_bias = false, v_bias = false, o_bias = false;
  bool gate_bias = false, up_bias = false, down_bias = false;
  bool q_norm = false, k_norm = false;  ///< RMS norms of queries or keys, before they are rotated
  bool norms_span_heads = false;        ///< q_norm and k_norm are over all heads together, not each its own
  bool attention_norm = true, ffn_norm = true;                  ///< of the stream before a sub-block
  bool attention_output_norm = false, ffn_output_norm = false;  ///< of what a sub-block adds to it
  std::optional<std::int64_t> window = {};  ///< a query sees this many latest positions, itself included
  /// Whose rotary settings its heads turn by: an index into ModelConfig::ropes.
  std::int32_t rope = 0;
  static constexpr std::int32_t no_rope = -1;  ///< heads are not turned at all
  /// Which of the dense head's rotary pairs survive, ascending: kv_groups × (qk_dim / 2), group by group.
  /// Empty means all of them in order (qk_dim is the dense width).
  std::vector<std::int32_t> rope_pairs;

  std::int64_t query_heads() const { return kv_groups * queries_per_group; }
  /// A norm over a head does not commute with taking pairs out of it: such heads keep their width.
  bool keeps_qk_whole() const { return q_norm || k_norm; }
  /// A norm over all heads together does not commute with taking heads out of it.
  bool keeps_groups_whole() const { return keeps_qk_whole() && norms_span_heads; }
  bool operator==(const LayerShape&) const = default;
};

}  // namespace cce
