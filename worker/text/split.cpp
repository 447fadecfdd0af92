#include "worker/text/split.h"

#include <algorithm>
#include <utility>

#include "worker/text/pattern.h"

namespace cce {
namespace {

struct Part {
  TextRange range;
  bool is_delimiter;
};

// The text as alternating gaps and matches; empty gaps do not appear.
std::vector<Part> parts_of(std::string_view text, const std::vector<TextRange>& matches, bool invert) {
  std::vector<Part> parts;
  parts.reserve(2 * matches.size() + 1);
  std::size_t end = 0;
  for (const TextRange& match : matches) {
    if (match.begin != end) parts.push_back({{end, match.begin}, invert});
    parts.push_back({match, !invert});
    end = match.end;
  }
  if (end != text.size()) parts.push_back({{end, text.size()}, invert});
  return parts;
}

// Neighbours that belong together become one part; `reach` says whether `later` joins what came before it.
template <typename Reach>
std::vector<Part> joined(const std::vector<Part>& parts, Reach reach) {
  std::vector<Part> result;
  bool previous_is_delimiter = false;
  for (const Part& part : parts) {
    if (!result.empty() && reach(previous_is_delimiter, part.is_delimiter)) {
      TextRange& range = result.back().range;
      range = {std::min(range.begin, part.range.begin), std::max(range.end, part.range.end)};
    } else {
      result.push_back(part);
    }
    previous_is_delimiter = part.is_delimiter;
  }
  return result;
}

std::vector<Part> apply_behavior(std::vector<Part> parts, SplitBehavior behavior) {
  const auto delimiter_after_other = [](bool previous, bool current) { return current && !previous; };
  switch (behavior) {
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::removed:
      std::erase_if(parts, [](const Part& part) { return part.is_delimiter; });
      break;
    case SplitBehavior::contiguous:
      return joined(parts, std::equal_to<>());
    case SplitBehavior::merged_with_previous:
      return joined(parts, delimiter_after_other);
    case SplitBehavior::merged_with_next:
      std::reverse(parts.begin(), parts.end());
      parts = joined(parts, delimiter_after_other);
      std::reverse(parts.begin(), parts.end());
      break;
  }
  return parts;
}

}  // namespace

SplitStep gpt2_split(const std::string& where) {
  constexpr std::string_view pattern =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  return {.pattern = to_pcre2_pattern(pattern, where), .where = where};
}

SplitStep digits_split(bool individual, const std::string& where) {
  return {.pattern = "\\p{N}",
          .behavior = individual ? SplitBehavior::isolated : SplitBehavior::contiguous,
          .where = where};
}

TextSplitter::TextSplitter(const std::vector<SplitStep>& steps) {
  for (const SplitStep& step : steps) {
    CompiledStep compiled{step.kind, step.behavior, step.invert, {}};
    if (step.kind == SplitStep::Kind::pattern) compiled.regex.emplace_back(step.pattern, step.where);
    steps_.push_back(std::move(compiled));
  }
}

const std::vector<std::string_view>& TextSplitter::split(std::string_view text, Scratch& scratch) const {
  scratch.prefixed.clear();
  scratch.pieces.clear();
  if (!text.empty()) scratch.pieces.push_back(text);
  for (const CompiledStep& step : steps_) {
    scratch.next_pieces.clear();
    for (const std::string_view piece : scratch.pieces) {
      if (step.kind == SplitStep::Kind::prefix_space) {
        if (piece.starts_with(' ')) {
          scratch.next_pieces.push_back(piece);
        } else {
          scratch.next_pieces.push_back(scratch.prefixed.emplace_back(1, ' ').append(piece));
        }
        continue;
      }
      step.regex.front().find_all(piece, scratch.regex, scratch.matches);
      for (const Part& part : apply_behavior(parts_of(piece, scratch.matches, step.invert), step.behavior)) {
        const std::size_t bytes = part.range.end - part.range.begin;
        if (bytes > 0) scratch.next_pieces.push_back(piece.substr(part.range.begin, bytes));
      }
    }
    std::swap(scratch.pieces, scratch.next_pieces);
  }
  return scratch.pieces;
}

}  // namespace cce
