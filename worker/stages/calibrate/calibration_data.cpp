#include "worker/stages/calibrate/calibration_data.h"

#include <optional>
#include <span>
#include <utility>

#include "worker/text/text_windows.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

std::optional<Tokenizer> load_tokenizer_if_needed(const StageContext& context, const std::string& text_path) {
  return needs_tokenizer(text_path) ? std::optional(Tokenizer::load(context.files, context.spec.model))
                                    : std::nullopt;
}

/// Rank 0's windows, one after another, on every rank.
std::vector<std::int32_t> broadcast_tokens(Communicator& communicator, std::vector<std::int32_t> tokens) {
  auto count = static_cast<std::int64_t>(tokens.size());
  communicator.broadcast(std::as_writable_bytes(std::span(&count, 1)), 0);
  tokens.resize(static_cast<std::size_t>(count));
  communicator.broadcast(std::as_writable_bytes(std::span(tokens)), 0);
  return tokens;
}

}  // namespace

std::vector<std::int64_t> spread_evenly(std::int64_t total, std::int64_t count) {
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < total; ++i) {
    if ((i + 1) * count / total > i * count / total) {
      result.push_back(i);
    }
  }
  return result;
}

std::vector<std::int64_t> CalibrationData::gradient_sequences_of(const SequenceRange& range) const {
  std::vector<std::int64_t> result;
  for (const std::int64_t sequence : gradient_sequences) {
    if (sequence >= range.first && sequence < range.first + range.count) {
      result.push_back(sequence);
    }
  }
  return result;
}

std::vector<std::vector<std::int32_t>> share_text_windows(StageContext& context, const TextSource& source,
                                                          std::int64_t length) {
  std::vector<std::int32_t> tokens;
  if (context.rank() == 0) {
    const std::optional<Tokenizer> tokenizer = load_tokenizer_if_needed(context, source.path);
    const TextWindows windows = read_text_windows(
        context.files, source, length, tokenizer ? &*tokenizer : nullptr, context.dense().vocabulary_size);
    for (std::int64_t i = 0; i < windows.count(); ++i) {
      const auto window = windows.window(i);
      tokens.insert(tokens.end(), window.begin(), window.end());
    }
  }
  tokens = broadcast_tokens(context.communicator, std::move(tokens));
  std::vector<std::vector<std::int32_t>> result;
  for (auto first = tokens.begin(); first != tokens.end(); first += length) {
    result.emplace_back(first, first + length);
  }
  return result;
}

CalibrationData load_calibration_data(StageContext& context) {
  const CalibrationSettings& settings = context.spec.calibration;
  CalibrationData result;
  result.length = settings.length;
  std::vector<std::vector<std::int32_t>> all;
  for (const TextSource& source : settings.text) {
    for (auto& window : share_text_windows(context, source, settings.length)) {
      all.push_back(std::move(window));
    }
  }
  const auto available = static_cast<std::int64_t>(all.size());
  if (available < settings.sequences) {
    throw Error{
        .code = ErrorCode::text_too_short,
        .where = "calibration.text",
        .found = std::to_string(available) + " windows of " + std::to_string(settings.length) + " tokens",
        .expected = std::to_string(settings.sequences) + " (calibration.sequences)",
        .remedy = "Give more text, or set calibration.sequences to " + std::to_string(available) +
                  ", or lower calibration.length"};
  }
  for (const std::int64_t index : spread_evenly(available, settings.sequences)) {
    result.windows.push_back(std::move(all[static_cast<std::size_t>(index)]));
  }
  result.gradient_sequences = spread_evenly(settings.sequences, settings.gradient_sequences);
  return result;
}

}  // namespace cce
