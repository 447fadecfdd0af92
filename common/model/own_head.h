#pragma once
#include <filesystem>
#include <string>

#include "common/model/checkpoint/stored_tensor.h"

namespace cce {

/// What a folder with both an embedding and a head computes with where its config.json ties them. As
/// transformers 5 does: two tensors with the same values stay tied; a head with values of its own is used.
/// Returns whether it is used. Reads both tensors as far as they are alike.
/// Errors: shape_mismatch, naming both tensors, for a head of another shape than the embedding's.
bool has_own_head(const StoredTensor& embedding, const StoredTensor& head,
                  const std::filesystem::path& folder);

/// What a user should know of a head that has_own_head found. `whose`: "model" or "teacher".
std::string own_head_warning(const std::string& whose);

}  // namespace cce
