#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// Says what a path is that holds no weights that can be read, and the command that mends it: a name on the
/// Hugging Face hub, a file, the cache of the hub, an adapter, another program's or library's checkpoint (GGUF,
/// PyTorch, TensorFlow, Flax, ONNX, Meta's and Mistral's own files), shards without their index.
/// Throws missing_file or unsupported, always.
[[noreturn]] void refuse_foreign_folder(const FileSystem& files, const std::filesystem::path& folder);

/// Refuses a folder that changes the model it holds by an adapter beside it: who loads it in transformers gets
/// another model than its weights are. Errors: unsupported.
void refuse_adapter(const FileSystem& files, const std::filesystem::path& folder);

/// Whether these tensors, which no model of ours has, are an adapter's or a quantised checkpoint's; the remedy
/// where they are, else empty. `name`: one of them.
std::string remedy_for_unknown_tensor(const std::string& name);

}  // namespace cce
