#pragma once
#include <string_view>

namespace cce {

/// The two halves of a layer. Each adds to the residual stream, and each can be cut or left out by itself.
enum class SubBlock { attention, ffn };

inline std::string_view sub_block_name(SubBlock kind) {
  return kind == SubBlock::attention ? "attention" : "ffn";
}

}  // namespace cce
