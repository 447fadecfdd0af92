#include "worker/text/split.h"

#include <utility>

#include "worker/text/normalizer.h"
#include "worker/text/pattern.h"

namespace cce {

SplitStep gpt2_split(const std::string& where) {
  constexpr std::string_view pattern =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  return {.pattern = to_pcre2_pattern(pattern, where), .content = "", .where = where};
}

SplitStep digits_split(bool individual, const std::string& where) {
  return {.pattern = "\\p{N}",
          .behavior = individual ? SplitBehavior::isolated : SplitBehavior::contiguous,
          .content = "",
          .where = where};
}

TextSplitter::TextSplitter(std::vector<SplitStep> steps) : steps_(std::move(steps)) {
  for (const SplitStep& step : steps_) {
    pattern_index_.push_back(patterns_.size());
    if (step.kind == SplitStep::Kind::pattern) patterns_.emplace_back(step.pattern, step.where);
  }
}

/// A match or a stretch between two.
struct TextSplitter::Stream::Part {
  std::string_view text;
  bool is_delimiter;
  bool continues;  ///< the same stretch as the part before it
  bool ends;
};

TextSplitter::Stream::Stream(const TextSplitter& splitter, PieceSink sink)
    : splitter_(splitter), sink_(std::move(sink)), states_(splitter.steps_.size()) {}

void TextSplitter::Stream::push(std::string_view part, bool ends, bool starts_whole) {
  push_to(0, part, ends, starts_whole);
}

void TextSplitter::Stream::push_to(std::size_t index, std::string_view part, bool ends, bool starts_whole) {
  if (index == states_.size()) return sink_(part, ends);
  const SplitStep& step = splitter_.steps_[index];
  State& state = states_[index];
  if (!state.begun) {
    if (part.empty()) return;
    state.begun = true;
    state.starts_whole = starts_whole;
    if (step.kind == SplitStep::Kind::prefix && !part.starts_with(step.content) &&
        (starts_whole || !step.only_at_start)) {
      push_to(index + 1, step.content, false, starts_whole);
      state.starts_whole = false;
    }
  }
  switch (step.kind) {
    case SplitStep::Kind::pattern:
      cut(index, part, ends);
      break;
    case SplitStep::Kind::prefix:
      push_to(index + 1, part, ends, state.starts_whole);
      break;
    case SplitStep::Kind::replace:
      push_to(index + 1, replace_all(part, step.pattern, step.content), ends, state.starts_whole);
      break;
  }
  state.starts_whole = false;
  if (ends) {
    state = State{.matches = std::move(state.matches), .held = {}};
  }
}

void TextSplitter::Stream::cut(std::size_t index, std::string_view part, bool ends) {
  const SplitStep& step = splitter_.steps_[index];
  const SplitRegex& regex = splitter_.patterns_[splitter_.pattern_index_[index]];
  State& state = states_[index];
  std::string_view text = part;
  if (!state.held.empty()) text = state.held.append(part);
  std::size_t settled = 0;
  std::size_t done = 0;
  if (ends || !regex.needs_whole_text()) {
    settled = regex.find_all(text, ends, state.follows_match, scratch_, state.matches);
    for (const TextRange& match : state.matches) {
      if (match.begin > done || state.in_gap) {
        place(index, {text.substr(done, match.begin - done), step.invert, state.in_gap, true});
      }
      state.in_gap = false;
      place(index, {text.substr(match.begin, match.end - match.begin), !step.invert, false, true});
      state.follows_match = true;
      done = match.end;
    }
    if (settled > done || (ends && state.in_gap)) {
      place(index, {text.substr(done, settled - done), step.invert, state.in_gap, ends});
      state.in_gap = true;
      state.follows_match = false;
    }
  }
  if (ends) {
    end_piece(index, {});
  } else {
    state.held = std::string(text.substr(settled));
  }
}

// One piece of the next step is made of a part and those that belong to it.
void TextSplitter::Stream::place(std::size_t index, const Part& part) {
  State& state = states_[index];
  const bool after_delimiter = state.has_previous && state.previous_is_delimiter;
  const bool after_other = state.has_previous && !state.previous_is_delimiter;
  bool joins_previous = false;
  bool may_be_joined = false;
  bool dropped = false;
  switch (splitter_.steps_[index].behavior) {
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::removed:
      dropped = part.is_delimiter;
      break;
    case SplitBehavior::merged_with_previous:
      joins_previous = part.is_delimiter && after_other;
      may_be_joined = !part.is_delimiter;
      break;
    case SplitBehavior::merged_with_next:
      joins_previous = !part.is_delimiter && after_delimiter;
      may_be_joined = part.is_delimiter;
      break;
    case SplitBehavior::contiguous:
      joins_previous = part.is_delimiter ? after_delimiter : after_other;
      may_be_joined = true;
      break;
  }
  if (!joins_previous && !part.continues) end_piece(index, {});
  if (dropped) {
    state.starts_whole = false;
  } else if (part.ends && !may_be_joined) {
    end_piece(index, part.text);
  } else {
    extend_piece(index, part.text);
  }
  if (part.ends) {
    state.has_previous = true;
    state.previous_is_delimiter = part.is_delimiter;
  }
}

void TextSplitter::Stream::extend_piece(std::size_t index, std::string_view part) {
  if (part.empty()) return;
  State& state = states_[index];
  state.piece_is_open = true;
  push_to(index + 1, part, false, std::exchange(state.starts_whole, false));
}

void TextSplitter::Stream::end_piece(std::size_t index, std::string_view part) {
  State& state = states_[index];
  if (part.empty() && !state.piece_is_open) return;
  state.piece_is_open = false;
  push_to(index + 1, part, true, std::exchange(state.starts_whole, false));
}

}  // namespace cce
