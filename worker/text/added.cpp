#include "worker/text/added.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "worker/text/unicode.h"

namespace cce {
namespace {

bool starts_code_point(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

// Start of the last code point of a valid, non-empty text.
std::size_t last_code_point(std::string_view text) {
  std::size_t position = text.size() - 1;
  while (!starts_code_point(text[position])) --position;
  return position;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word_character(read_utf8(text, last_code_point(text)).code_point);
}

bool starts_with_word(std::string_view text) {
  return !text.empty() && is_word_character(read_utf8(text, 0).code_point);
}

std::size_t trailing_space_start(std::string_view text) {
  while (!text.empty()) {
    const std::size_t last = last_code_point(text);
    if (!is_white_space(read_utf8(text, last).code_point)) break;
    text = text.substr(0, last);
  }
  return text.size();
}

std::size_t leading_space_bytes(std::string_view text) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const Utf8Step step = read_utf8(text, bytes);
    if (!is_white_space(step.code_point)) break;
    bytes += step.bytes;
  }
  return bytes;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  for (std::size_t index = 0; index < tokens_.size(); ++index) {
    const AddedToken& token = tokens_[index];
    if (!by_content_.emplace(token.content, index).second) continue;
    std::vector<std::size_t>& lengths =
        lengths_by_first_byte_[static_cast<unsigned char>(token.content.front())];
    const auto place =
        std::lower_bound(lengths.begin(), lengths.end(), token.content.size(), std::greater<>());
    if (place == lengths.end() || *place != token.content.size()) lengths.insert(place, token.content.size());
    longest_ = std::max(longest_, token.content.size());
    any_left_strip_ = any_left_strip_ || token.left_strip;
  }
}

const AddedToken* AddedTokenMatcher::match_at(std::string_view text, std::size_t position) const {
  for (const std::size_t bytes : lengths_by_first_byte_[static_cast<unsigned char>(text[position])]) {
    if (bytes > text.size() - position) continue;
    const auto found = by_content_.find(text.substr(position, bytes));
    if (found != by_content_.end()) return &tokens_[found->second];
  }
  return nullptr;
}

AddedTokenMatcher::Stream::Stream(const AddedTokenMatcher& matcher, PieceSink on_text,
                                  std::function<void(std::int32_t)> on_token)
    : matcher_(matcher), on_text_(std::move(on_text)), on_token_(std::move(on_token)) {}

void AddedTokenMatcher::Stream::push(std::string_view part, bool ends) {
  if (matcher_.tokens_.empty()) return on_text_(part, ends);
  std::string_view text = part;
  if (!held_.empty()) text = held_.append(part);
  scan(text, ends);
  if (ends) {
    held_.clear();
    before_.clear();
    position_ = done_ = 0;
    return;
  }
  std::size_t handed_on = std::min(position_, done_);
  while (handed_on < text.size() && !starts_code_point(text[handed_on])) --handed_on;
  if (handed_on > 0) {
    const std::string_view past = text.substr(0, handed_on);
    before_ = past.substr(last_code_point(past));
  }
  held_ = std::string(text.substr(handed_on));
  position_ -= handed_on;
  done_ -= handed_on;
}

// Hands on all that is decided.
void AddedTokenMatcher::Stream::scan(std::string_view text, bool ends) {
  constexpr std::size_t longest_code_point = 4;  // what follows a token decides whether it is a single word
  const std::size_t reserve = matcher_.longest_ + longest_code_point;
  const std::size_t limit = ends ? text.size() : text.size() - std::min(text.size(), reserve);
  while (position_ < limit) {
    const AddedToken* token = matcher_.match_at(text, position_);
    if (token == nullptr) {
      ++position_;
      continue;
    }
    std::size_t begin = position_;
    std::size_t end = position_ + token->content.size();
    const std::size_t content_end = end;  // the search goes on here, also inside of what a token strips
    if (!token->single_word || !touches_word(text, begin, end)) {
      if (token->left_strip) begin = std::max(trailing_space_start(text.substr(0, begin)), done_);
      if (token->right_strip) end += leading_space_bytes(text.substr(end));
      if (!ends && end == text.size()) break;  // more white space may follow
      end_stretch(text.substr(done_, std::max(begin, done_) - done_));
      on_token_(token->id);
      done_ = end;
    }
    position_ = content_end;  // a refused match still uses up its text
  }
  if (ends) return end_stretch(text.substr(done_));
  std::size_t decided = std::max(position_, done_);
  while (decided > done_ && decided < text.size() && !starts_code_point(text[decided])) --decided;
  if (matcher_.any_left_strip_) decided = std::max(trailing_space_start(text.substr(0, decided)), done_);
  if (decided > done_) {
    stretch_is_open_ = true;
    on_text_(text.substr(done_, decided - done_), false);
    done_ = decided;
  }
}

bool AddedTokenMatcher::Stream::touches_word(std::string_view text, std::size_t begin,
                                             std::size_t end) const {
  return ends_with_word(begin > 0 ? text.substr(0, begin) : std::string_view(before_)) ||
         starts_with_word(text.substr(end));
}

void AddedTokenMatcher::Stream::end_stretch(std::string_view part) {
  if (stretch_is_open_ || !part.empty()) on_text_(part, true);
  stretch_is_open_ = false;
}

}  // namespace cce
