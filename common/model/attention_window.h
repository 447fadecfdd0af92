#pragma once
#include <cstdint>
#include <optional>

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"

namespace cce {

/// Which keys of config.json decide the attention window, as transformers 5.24 reads them for each class. A
/// key that the class does not ask for is left over from another version and changes nothing.
enum class WindowKeys {
  none,       ///< whatever is written, layers see all earlier positions (LlamaForCausalLM)
  by_size,    ///< sliding_window, 4096 where absent; layer_types, where present, says which layers have it
              ///< (MistralForCausalLM)
  by_switch,  ///< the same once use_sliding_window is true; without layer_types, from max_window_layers on
              ///< (Qwen2ForCausalLM)
  modeling_file,  ///< sliding_window, none where absent (modeling_cce.py)
};

/// The window that all `layers` share, or nothing where none has one.
/// Errors: unsupported for windows in some layers only, or layers with a window that has no size;
/// out_of_range and wrong_type for values that transformers refuses too.
std::optional<std::int64_t> read_attention_window(JsonReader& config, WindowKeys keys, std::int64_t layers);

/// Makes a written config.json mean `window` to the class that reads it. Keys that mean it already stay as
/// they are. Errors: impossible_combination for a window in a class that has none.
void write_attention_window(OrderedJson& config, WindowKeys keys, std::optional<std::int64_t> window,
                            std::int64_t layers);

}  // namespace cce
