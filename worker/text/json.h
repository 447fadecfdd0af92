#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "worker/text/added.h"
#include "worker/text/decoder.h"
#include "worker/text/models/bpe.h"
#include "worker/text/normalizer.h"
#include "worker/text/split.h"

namespace cce {

/// What a tokenizer.json says, checked and ready to build from.
struct TokenizerDefinition {
  BpeDefinition model;
  std::vector<AddedToken> added_tokens;
  std::vector<NormalizerStep> normalizer_steps;
  std::vector<SplitStep> split_steps;
  std::vector<DecoderStep> decoder_steps;
  std::vector<std::int32_t> begin_ids;  ///< what the post-processor puts before a text
};

/// Reads a tokenizer.json of Hugging Face tokenizers (version 1.0) that describes a BPE of bytes or of
/// characters. `truncation` and `padding` shape batches and what `post_processor` puts behind a text is not
/// asked for: they are recognised and not applied. `where` names the file. Errors: malformed_file, wrong_type
/// with the key's path; unsupported with the key's path for any key, type or setting that this version does
/// not handle.
TokenizerDefinition parse_tokenizer_json(std::string_view json_text, const std::string& where);

}  // namespace cce
