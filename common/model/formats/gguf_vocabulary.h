#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// A tokenizer as llama.cpp reads it from a GGUF file's metadata (tokenizer.ggml.*).
struct GgufVocabulary {
  std::string model;                ///< "gpt2": merges over byte-level tokens
  std::string pre;                  ///< the name that llama.cpp has for how text is split before merging
  std::vector<std::string> tokens;  ///< by id; "[PADn]" where no token has the id
  std::vector<std::int32_t> types;  ///< 1 normal, 3 control, 4 user defined, 5 unused
  std::vector<std::string> merges;  ///< "left right"
  std::vector<std::pair<std::string, std::uint32_t>> special_ids;  ///< "bos_token_id", ...
  std::vector<std::pair<std::string, bool>> flags;                 ///< "add_bos_token", ...
  std::optional<bool> add_space_prefix;  ///< of the tokenizer's settings; not every architecture's key
  std::optional<std::string> chat_template;
};

/// Reads tokenizer.json, tokenizer_config.json, config.json and chat templates of a Hugging Face folder as
/// llama.cpp's convert_hf_to_gguf does, except that `pre` follows from the pre-tokenizer that tokenizer.json spells
/// out, not from a digest of known vocabularies: a vocabulary that was trained anew is known too. Tokens up to
/// `vocabulary_size`, the rows of the embedding.
/// Errors: missing_file (no tokenizer.json), malformed_file, unsupported (a model or pre-tokenizer that llama.cpp has
/// no name for; the remedy says how to go on), out_of_range (an id beyond the embedding).
GgufVocabulary read_gguf_vocabulary(const FileSystem& files, const std::filesystem::path& folder,
                                    std::int64_t vocabulary_size);

}  // namespace cce
