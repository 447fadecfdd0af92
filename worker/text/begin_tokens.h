#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// The ids that every window begins with (calibration.bos), for a model's folder:
///   never      none
///   automatic  what the tokenizer puts before a text: TemplateProcessing in tokenizer.json's post-processor,
///              also where its model is of a kind that this program does not read; else, for a
///              tokenizer.model, its BOS where tokenizer_config.json has add_bos_token
///   always     the same, and where the tokenizer puts none, config.json's bos_token_id
/// Errors: malformed_file; unsupported for `always` where no token is known.
std::vector<std::int32_t> begin_ids_of(const FileSystem& files, const std::string& model,
                                       BeginTokens setting);

}  // namespace cce
