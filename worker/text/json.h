#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "worker/text/added.h"
#include "worker/text/models/byte_bpe.h"
#include "worker/text/split.h"

namespace cce {

/// What a tokenizer.json says, checked and ready to build from.
struct TokenizerDefinition {
  BpeDefinition model;
  std::vector<AddedToken> added_tokens;
  bool normalize_nfc = false;
  std::vector<SplitStep> split_steps;
};

/// Reads a tokenizer.json of Hugging Face tokenizers (version 1.0) that describes a byte-level BPE.
/// `truncation` and `padding` shape batches, `post_processor` adds tokens around a text: neither touches the
/// ids of a text itself, so they are recognised and not applied. `where` names the file. Errors:
/// malformed_file, wrong_type with the key's path; unsupported with the key's path for any key, type or
/// setting that this version does not handle.
TokenizerDefinition parse_tokenizer_json(std::string_view json_text, const std::string& where);

}  // namespace cce
