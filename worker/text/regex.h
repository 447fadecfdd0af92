#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

/// Bytes [begin, end) of a text.
struct TextRange {
  std::size_t begin = 0, end = 0;
};

/// A compiled regular expression (PCRE2, UTF and UCP, just-in-time compiled where the machine can).
/// Immutable: threads may share it, each with its own Scratch.
class SplitRegex {
 public:
  /// Working memory of a search, reused between searches of any SplitRegex. Not for two threads at once.
  class Scratch {
   public:
    Scratch();
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

   private:
    friend class SplitRegex;
    struct Parts;
    std::unique_ptr<Parts> parts_;
  };

  /// `pattern` in PCRE2's spelling; `where` names it in errors. Errors: malformed_file with PCRE2's message.
  SplitRegex(std::string_view pattern, const std::string& where);
  ~SplitRegex();
  SplitRegex(SplitRegex&&) noexcept;

  /// Replaces `matches` by all non-overlapping matches, left to right, an empty one never right after another
  /// match (one that ended where the text begins counts with `follows_match`). Where the text does not end here
  /// (`ends`), only those that no further text can change. Returns how far that is settled: nothing before it
  /// is part of another match. `text` must be valid UTF-8, and what is cut off before it must not matter
  /// (needs_whole_text). Errors: unsupported when a search runs out of PCRE2's memory or step limits.
  std::size_t find_all(std::string_view text, bool ends, bool follows_match, Scratch& scratch,
                       std::vector<TextRange>& matches) const;

  /// Whether the pattern looks at what lies before a match.
  bool needs_whole_text() const { return needs_whole_text_; }

 private:
  struct Code;
  std::unique_ptr<Code> code_;
  std::string where_;
  bool needs_whole_text_ = false;
};

}  // namespace cce
