#include <utility>

#include "worker/text/models/bpe.h"

namespace cce {
namespace {

constexpr std::size_t longest_kept_bytes = 256;
constexpr std::size_t most_kept_words = std::size_t{1} << 17U;

}  // namespace

void WordEncoder::push(std::string_view part, bool ends, std::vector<std::int32_t>& ids) {
  std::string_view word = part;
  if (!held_.empty()) word = held_.append(part);
  if (model_.has_seams()) word = append_up_to_seams(word, ids);
  if (!ends) {
    held_ = std::string(word);
    return;
  }
  if (!word.empty()) append(word, ids);
  held_.clear();
}

// Returns what is left: the last stretch, which later parts may join.
std::string_view WordEncoder::append_up_to_seams(std::string_view word, std::vector<std::int32_t>& ids) {
  std::size_t begin = 0;
  for (std::size_t cut; (cut = model_.seam(word, begin)) < word.size(); begin = cut) {
    append(word.substr(begin, cut - begin), ids);
  }
  return word.substr(begin);
}

void WordEncoder::append(std::string_view word, std::vector<std::int32_t>& ids) {
  if (word.size() > longest_kept_bytes) return model_.encode_word(word, ids);
  const auto known = ranges_.find(word);
  if (known != ranges_.end()) {
    const auto [begin, end] = known->second;
    ids.insert(ids.end(), kept_ids_.begin() + begin, kept_ids_.begin() + end);
    return;
  }
  if (ranges_.size() == most_kept_words) {  // memory must not grow with the text
    ranges_.clear();
    kept_ids_.clear();
  }
  const auto begin = static_cast<std::ptrdiff_t>(kept_ids_.size());
  model_.encode_word(word, kept_ids_);
  ids.insert(ids.end(), kept_ids_.begin() + begin, kept_ids_.end());
  ranges_.emplace(std::string(word), std::pair(begin, static_cast<std::ptrdiff_t>(kept_ids_.size())));
}

}  // namespace cce
