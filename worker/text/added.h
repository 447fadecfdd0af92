#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/text/pieces.h"

namespace cce {

/// A token that is found in the text as it stands, before any splitting.
struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool single_word = false;  ///< only where no word character touches it
  bool left_strip = false;   ///< takes the white space before it along
  bool right_strip = false;  ///< takes the white space after it along
  bool normalized = true;    ///< looked for after normalization, itself normalized
};

/// Finds added tokens: leftmost first, at one place the longest. Immutable: threads may share it.
class AddedTokenMatcher {
 public:
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  /// Cuts a text that comes in parts. For one thread; the matcher must outlive it.
  class Stream {
   public:
    /// `on_text` gets the stretches between added tokens (never an empty one), `on_token` the tokens' ids, in
    /// order.
    Stream(const AddedTokenMatcher& matcher, PieceSink on_text, std::function<void(std::int32_t)> on_token);

    /// The next part of the text; it `ends` with the last one, and another text may follow. What a token may
    /// still grow from is held until it is known: a token's length, and white space that a token may take.
    void push(std::string_view part, bool ends);

   private:
    void scan(std::string_view text, bool ends);
    bool touches_word(std::string_view text, std::size_t begin, std::size_t end) const;
    void end_stretch(std::string_view part);

    const AddedTokenMatcher& matcher_;
    PieceSink on_text_;
    std::function<void(std::int32_t)> on_token_;
    std::string held_, before_;  ///< not yet decided; the code point before it
    std::size_t position_ = 0;   ///< in held_: where the search goes on
    std::size_t done_ = 0;       ///< in held_: what lies before has been handed on
    bool stretch_is_open_ = false;
  };

 private:
  const AddedToken* match_at(std::string_view text, std::size_t position) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string_view, std::size_t> by_content_;     ///< indices into tokens_
  std::array<std::vector<std::size_t>, 256> lengths_by_first_byte_;  ///< longest first
  std::size_t longest_ = 0;
  bool any_left_strip_ = false;
};

}  // namespace cce
