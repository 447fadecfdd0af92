#pragma once
#include <cstdint>
#include <vector>

#include "common/recipe/job_spec.h"
#include "common/text/token_file.h"

namespace cce {

/// What a window is made of.
struct WindowShape {
  std::int64_t length = 0;              ///< tokens of a window
  std::vector<std::int32_t> begin_ids;  ///< the first of them (BOS); the text's follow
  std::int64_t vocabulary_size = 0;     ///< the model's: ids must lie below
  /// Tokens of the text in a window.
  std::int64_t text_tokens() const { return length - static_cast<std::int64_t>(begin_ids.size()); }
};

/// The windows of a text that are used: the text's tokens cut, from its start, into stretches of
/// shape.text_tokens() (a shorter rest is not used), and of these the selection [source.first, source.last),
/// negative numbers counting from the end: first = -48 is the last 48. Nothing of the text is kept in memory.
class TextWindows {
 public:
  /// Errors: text_too_short, with the tokens there are and the tokens needed, when there is not one window or
  /// the selection reaches past what there is; out_of_range for a selection that is empty in a text of any
  /// length, and where a window has no room for the text.
  TextWindows(TokenFile tokens, const TextSource& source, WindowShape shape);

  std::int64_t count() const { return last_ - first_; }
  /// Window `index` of the selection. Errors: out_of_range unless 0 ≤ index < count(), and for an id that the
  /// model lacks, with its position.
  std::vector<std::int32_t> window(std::int64_t index) const;

 private:
  TokenFile tokens_;
  WindowShape shape_;
  std::int64_t first_ = 0, last_ = 0;
};

}  // namespace cce
