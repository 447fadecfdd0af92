#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/layer_shape.h"

namespace cce {

/// Which keys of config.json decide the attention windows, as transformers 5.24 reads them for each class. A
/// key that the class does not ask for is left over from another version and changes nothing.
enum class WindowKeys {
  none,        ///< whatever is written, layers see all earlier positions (LlamaForCausalLM)
  by_size,     ///< sliding_window, 4096 where absent; layer_types, where present, says which layers have it
               ///< (MistralForCausalLM)
  by_switch,   ///< the same once use_sliding_window is true; without layer_types, from max_window_layers on
               ///< (Qwen2ForCausalLM)
  by_pattern,  ///< sliding_window, 4096 where absent; without layer_types, all layers but every so-manyth
               ///< (Gemma3ForCausalLM)
  modeling_file,  ///< sliding_window, none where absent (modeling_cce.py)
};

/// How a class says which of its layers have the window.
struct WindowRules {
  WindowKeys keys = WindowKeys::none;
  std::int64_t pattern = 0;           ///< by_pattern: every so-manyth layer sees all
  const char* pattern_key = nullptr;  ///< the key that says another number
};

/// Whether a layer is a "sliding_attention" one, and the window that these have.
struct AttentionWindows {
  std::optional<std::int64_t> size;
  std::vector<bool> is_sliding;  ///< of each layer

  std::optional<std::int64_t> of(std::size_t layer) const { return is_sliding[layer] ? size : std::nullopt; }
};

/// Errors: unsupported for layers with a window that has no size; out_of_range and wrong_type for values that
/// transformers refuses too.
AttentionWindows read_attention_windows(JsonReader& config, const WindowRules& rules, std::int64_t layers);

/// Makes a written config.json mean the windows of `layers` to the class that reads it. Keys that mean them
/// already stay as they are; modeling_cce.py has windows that not all layers share in its own section. Errors:
/// impossible_combination for a window in a class that has none.
void write_attention_windows(OrderedJson& config, const WindowRules& rules,
                             const std::vector<LayerShape>& layers);

/// Whether all layers with attention see equally far.
bool windows_are_shared(const std::vector<LayerShape>& layers);

}  // namespace cce
