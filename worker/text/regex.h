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
  /// match. `text` must be valid UTF-8. Errors: unsupported when a search runs out of PCRE2's memory or step
  /// limits.
  void find_all(std::string_view text, Scratch& scratch, std::vector<TextRange>& matches) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
  std::string where_;
};

}  // namespace cce
