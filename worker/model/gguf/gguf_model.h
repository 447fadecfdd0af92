#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/model/architecture.h"
#include "common/model/formats/gguf_vocabulary.h"
#include "common/model/model_config.h"
#include "worker/model/gguf/gguf_file.h"
#include "worker/tensor/dtype.h"

namespace cce {

// A model in llama.cpp's words: its names of tensors and keys (gguf-py/gguf/constants.py), and what its converter
// makes of a checkpoint (conversion/llama.py, qwen.py).

/// "blk.7.attn_q.weight"; `layer` is ignored outside the layers. Errors: unsupported for a part that has no name.
std::string gguf_tensor_name(TensorRole role, std::int64_t layer);

/// What a tensor that is not a matrix, and a matrix, are stored as: vectors stay f32.
GgufType gguf_type(PartKind kind, DType dtype);

/// Rows of queries and keys as llama.cpp turns them: where its pairs lie side by side, row s · d/2 + j of each head
/// of width d becomes row 2 j + s. Other tensors stay as they are. In place; `row_bytes` of each row.
void order_rows_for_gguf(const ModelConfig& config, TensorRole role, std::int64_t row_bytes,
                         std::span<std::byte> rows);
void order_rows_from_gguf(const ModelConfig& config, TensorRole role, std::int64_t row_bytes,
                          std::span<std::byte> rows);

/// Name of the tensor that divides the frequency of each rotary pair, and its values for Llama 3's scaling; empty where
/// the model has another.
inline constexpr const char* gguf_rope_factors = "rope_freqs.weight";
std::vector<float> gguf_rope_factors_of(const ModelConfig& config);

/// All keys. `written` has one set of shapes for all layers; `name` is shown to users; `dtype` is that of the matrices.
GgufMetadata gguf_metadata(const ModelConfig& written, const GgufVocabulary& vocabulary,
                           const std::string& name, DType dtype);

/// The model that a file's keys describe. Errors: malformed_file, unsupported (an architecture that is not written).
ModelConfig gguf_config(const GgufContents& contents);

}  // namespace cce
