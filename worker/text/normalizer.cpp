#include "worker/text/normalizer.h"

#include <algorithm>
#include <utility>

namespace cce {
namespace {

// Bytes at the end of `text` that `pattern` starts with, without all of it.
std::size_t open_tail(std::string_view text, std::string_view pattern) {
  for (std::size_t bytes = std::min(pattern.size() - 1, text.size()); bytes > 0; --bytes) {
    if (text.ends_with(pattern.substr(0, bytes))) return bytes;
  }
  return 0;
}

}  // namespace

std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content,
                        std::size_t* rest) {
  std::string result;
  result.reserve(text.size());
  std::size_t done = 0;
  for (std::size_t found; (found = text.find(pattern, done)) != std::string_view::npos;) {
    result.append(text.substr(done, found - done)).append(content);
    done = found + pattern.size();
  }
  const std::size_t end = rest == nullptr ? text.size() : text.size() - open_tail(text.substr(done), pattern);
  if (rest != nullptr) *rest = end;
  return result.append(text.substr(done, end - done));
}

Normalizer::Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {
  const auto wants_nfc = [](const NormalizerStep& step) { return step.kind == NormalizerStep::Kind::nfc; };
  if (std::any_of(steps_.begin(), steps_.end(), wants_nfc)) nfc_.emplace();
}

std::string Normalizer::normalize(std::string_view text) const {
  std::string result;
  Stream(*this, [&](std::string_view part, bool) { result.append(part); }).push(text, true);
  return result;
}

Normalizer::Stream::Stream(const Normalizer& normalizer, PieceSink sink)
    : normalizer_(normalizer), sink_(std::move(sink)), states_(normalizer.steps_.size()) {}

void Normalizer::Stream::push_to(std::size_t index, std::string_view part, bool ends) {
  if (index == states_.size()) return sink_(part, ends);
  const NormalizerStep& step = normalizer_.steps_[index];
  State& state = states_[index];
  if (step.kind == NormalizerStep::Kind::prepend) {
    if (!state.begun && !part.empty()) push_to(index + 1, step.content, false);
    state.begun = !ends && (state.begun || !part.empty());
    return push_to(index + 1, part, ends);
  }
  std::string_view text = part;
  if (!state.held.empty()) text = state.held.append(part);
  std::size_t settled = text.size();
  std::string normalized;
  if (step.kind == NormalizerStep::Kind::replace) {
    normalized = replace_all(text, step.pattern, step.content, ends ? nullptr : &settled);
  } else {
    if (!ends) settled = normalizer_.nfc_->last_boundary(text);
    normalized = normalizer_.nfc_->normalize(text.substr(0, settled));
  }
  state.held = std::string(text.substr(settled));
  if (ends || !normalized.empty()) push_to(index + 1, normalized, ends);
}

}  // namespace cce
