#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "worker/text/regex.h"

namespace cce {

/// What becomes of a delimiter found in the text (Hugging Face's names).
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// One pre-tokenization step: cut every piece at a pattern, or put a space before pieces that do not start
/// with one.
struct SplitStep {
  enum class Kind { pattern, prefix_space };
  Kind kind = Kind::pattern;
  std::string pattern;  ///< PCRE2's spelling
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;  ///< what does not match is the delimiter
  std::string where;    ///< the key path, for errors
};

/// The pattern that GPT-2 cuts text with, built into Hugging Face's ByteLevel.
SplitStep gpt2_split(const std::string& where);

/// Numeric characters (\p{N}) on their own: one by one, or as runs.
SplitStep digits_split(bool individual, const std::string& where);

/// Runs the steps of a pre-tokenizer. Immutable: threads may share it, each with its own Scratch.
class TextSplitter {
 public:
  struct Scratch {
    SplitRegex::Scratch regex;
    std::vector<TextRange> matches;
    std::vector<std::string_view> pieces, next_pieces;
    std::deque<std::string> prefixed;  ///< owns the pieces that got a space in front
  };

  explicit TextSplitter(const std::vector<SplitStep>& steps);

  /// Cuts `text` (valid UTF-8) into non-empty pieces, in order. They point into `text` or `scratch` and live
  /// until the next call with this scratch.
  const std::vector<std::string_view>& split(std::string_view text, Scratch& scratch) const;

 private:
  struct CompiledStep {
    SplitStep::Kind kind;
    SplitBehavior behavior;
    bool invert;
    std::vector<SplitRegex> regex;  ///< one, or none for a prefix
  };
  std::vector<CompiledStep> steps_;
};

}  // namespace cce
