#include "worker/text/added.h"

#include <algorithm>

#include "worker/text/unicode.h"

namespace cce {
namespace {

// Start of the last code point of a valid, non-empty text.
std::size_t last_code_point(std::string_view text) {
  std::size_t position = text.size() - 1;
  while ((static_cast<unsigned char>(text[position]) & 0xC0U) == 0x80U) --position;
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
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& left, const AddedToken& right) {
    return left.content.size() > right.content.size();
  });
  for (std::size_t index = 0; index < tokens_.size(); ++index) {
    by_first_byte_[static_cast<unsigned char>(tokens_[index].content.front())].push_back(index);
  }
}

const AddedToken* AddedTokenMatcher::match_at(std::string_view text, std::size_t position) const {
  for (const std::size_t index : by_first_byte_[static_cast<unsigned char>(text[position])]) {
    if (text.substr(position).starts_with(tokens_[index].content)) return &tokens_[index];
  }
  return nullptr;
}

void AddedTokenMatcher::split(std::string_view text, const std::function<void(std::string_view)>& on_text,
                              const std::function<void(std::int32_t)>& on_token) const {
  std::size_t done = 0;
  std::size_t position = 0;
  while (position < text.size()) {
    const AddedToken* token = match_at(text, position);
    if (token == nullptr) {
      ++position;
      continue;
    }
    std::size_t begin = position;
    std::size_t end = position + token->content.size();
    position = end;  // a refused match still uses up its text
    if (token->single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end))))
      continue;
    if (token->left_strip) begin = std::max(trailing_space_start(text.substr(0, begin)), done);
    if (token->right_strip) end += leading_space_bytes(text.substr(end));
    if (begin > done) on_text(text.substr(done, begin - done));
    on_token(token->id);
    done = end;
  }
  if (done < text.size()) on_text(text.substr(done));
}

}  // namespace cce
