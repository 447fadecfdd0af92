#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/text/tokenizer.h"

namespace cce {

/// One kind of tokenizer, behind Tokenizer, whose comments say what the calls do. Immutable: threads may share
/// it.
class TextCodec {
 public:
  virtual ~TextCodec() = default;
  virtual std::unique_ptr<TokenStream> stream() const = 0;
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  virtual const std::vector<std::int32_t>& begin_ids() const = 0;
  virtual std::int64_t vocabulary_size() const = 0;
};

/// From a tokenizer.json. Errors: those of parse_tokenizer_json.
std::unique_ptr<const TextCodec> make_json_codec(std::string_view json_text, const std::string& where);

/// From a tokenizer.model, through the SentencePiece library. `add_begin`: whether a text begins with its BOS
/// (tokenizer_config.json's add_bos_token). Errors: malformed_file.
std::unique_ptr<const TextCodec> make_sentencepiece_codec(std::string_view model, bool add_begin,
                                                          const std::string& where);

}  // namespace cce
