#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "worker/text/pieces.h"
#include "worker/text/regex.h"

namespace cce {

/// What becomes of a delimiter found in the text (Hugging Face's names).
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// One pre-tokenization step, done to every piece that the step before it left.
struct SplitStep {
  enum class Kind {
    pattern,  ///< cut at `pattern`
    prefix,   ///< put `content`, one character, in front of a piece that does not start with it
    replace   ///< put `content` for every `pattern`, one character
  };
  Kind kind = Kind::pattern;
  std::string pattern;  ///< to cut at: PCRE2's spelling
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;         ///< what does not match is the delimiter
  std::string content;         ///< of prefix and replace
  bool only_at_start = false;  ///< prefix: only the piece that a whole text begins with
  std::string where;           ///< the key path, for errors
};

/// The pattern that GPT-2 cuts text with, built into Hugging Face's ByteLevel.
SplitStep gpt2_split(const std::string& where);

/// Numeric characters (\p{N}) on their own: one by one, or as runs.
SplitStep digits_split(bool individual, const std::string& where);

/// Runs the steps of a pre-tokenizer. Immutable: threads may share it.
class TextSplitter {
 public:
  explicit TextSplitter(std::vector<SplitStep> steps);

  /// Cuts texts that come in parts. For one thread; the splitter must outlive it.
  class Stream {
   public:
    /// The sink gets the pieces in order, none of them empty, a long one in parts.
    Stream(const TextSplitter& splitter, PieceSink sink);

    /// The next part of a text; it `ends` with the last one, and another text may follow. `starts_whole` says
    /// whether the text stands at the very start of what is tokenized. Errors: those of SplitRegex::find_all.
    void push(std::string_view part, bool ends, bool starts_whole);

   private:
    /// Where a step stands in the piece that it is getting.
    struct State {
      std::vector<TextRange> matches;
      std::string held;                    ///< not yet decided
      bool begun = false;                  ///< some of it has come
      bool starts_whole = false;           ///< and nothing of it has gone on
      bool in_gap = false;                 ///< a stretch between matches has gone on without its end
      bool follows_match = false;          ///< the held part begins where a match ended
      bool has_previous = false;           ///< a part has gone on, ...
      bool previous_is_delimiter = false;  ///< ... and was of this kind
      bool piece_is_open = false;          ///< the next step has not got the end of its piece
    };
    struct Part;
    void push_to(std::size_t step, std::string_view part, bool ends, bool starts_whole);
    void cut(std::size_t step, std::string_view part, bool ends);
    void place(std::size_t step, const Part& part);
    void extend_piece(std::size_t step, std::string_view part);
    void end_piece(std::size_t step, std::string_view part);

    const TextSplitter& splitter_;
    PieceSink sink_;
    SplitRegex::Scratch scratch_;
    std::vector<State> states_;  ///< one a step
  };

 private:
  std::vector<SplitStep> steps_;
  std::vector<SplitRegex> patterns_;        ///< of the steps that cut
  std::vector<std::size_t> pattern_index_;  ///< by step
};

}  // namespace cce
