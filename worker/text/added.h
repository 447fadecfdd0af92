#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

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

  /// Calls on_text for the stretches between added tokens (never empty) and on_token for their ids, in order.
  void split(std::string_view text, const std::function<void(std::string_view)>& on_text,
             const std::function<void(std::int32_t)>& on_token) const;

 private:
  const AddedToken* match_at(std::string_view text, std::size_t position) const;

  std::vector<AddedToken> tokens_;                           ///< longest first
  std::array<std::vector<std::size_t>, 256> by_first_byte_;  ///< indices into tokens_, longest first
};

}  // namespace cce
