#pragma once
#include <string>
#include <vector>

namespace cce {

/// One step of a decoder of tokenizer.json, with the meaning that Hugging Face tokenizers gives it.
struct DecoderStep {
  enum class Kind {
    byte_level,     ///< the bytes that the tokens' characters stand for, as one text
    replace,        ///< in each token every `pattern` by `content`
    byte_fallback,  ///< a run of <0x00> to <0xFF> becomes the text of these bytes, or a U+FFFD for each of them
    fuse,           ///< all tokens become one
    strip,          ///< off each token up to `start` `content`s in front and `stop` behind
    metaspace       ///< every `pattern` a space, in the first token nothing where `drops_first`
  };
  Kind kind = Kind::fuse;
  std::string pattern, content;
  std::size_t start = 0, stop = 0;
  bool drops_first = false;
};

/// The text of tokens, by the steps one after another; what is left is joined. Broken UTF-8 becomes U+FFFD.
std::string decode_tokens(const std::vector<DecoderStep>& steps, std::vector<std::string> tokens);

}  // namespace cce
