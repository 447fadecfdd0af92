#include "worker/stages/calibrate/calibration_data.h"

#include <span>
#include <utility>

#include "worker/text/text_windows.h"

namespace cce {
namespace {

/// Rank 0's windows, one after another, on every rank.
std::vector<std::int32_t> broadcast_tokens(Communicator& communicator, std::vector<std::int32_t> tokens) {
  auto count = static_cast<std::int64_t>(tokens.size());
  communicator.broadcast(std::as_writable_bytes(std::span(&count, 1)), 0);
  tokens.resize(static_cast<std::size_t>(count));
  communicator.broadcast(std::as_writable_bytes(std::span(tokens)), 0);
  return tokens;
}

void append(std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& window) {
  tokens.insert(tokens.end(), window.begin(), window.end());
}

Windows share_windows(StageContext& context, std::vector<std::int32_t> tokens) {
  tokens = broadcast_tokens(context.communicator, std::move(tokens));
  const std::int64_t length = context.spec.calibration.length;
  Windows result;
  for (auto first = tokens.begin(); first != tokens.end(); first += length) {
    result.emplace_back(first, first + length);
  }
  return result;
}

/// The windows that are used, one after another: of more only these are read.
std::vector<std::int32_t> calibration_tokens(StageContext& context) {
  const CalibrationSettings& settings = context.spec.calibration;
  const std::vector<TextWindows> texts = context.texts.calibration_windows();
  std::int64_t available = 0;
  for (const TextWindows& windows : texts) available += windows.count();
  std::vector<std::int32_t> tokens;
  std::size_t text = 0;
  std::int64_t before = 0;  // windows of the texts before `text`
  for (const std::int64_t index : spread_evenly(available, settings.sequences)) {
    while (index - before >= texts[text].count()) before += texts[text++].count();
    append(tokens, texts[text].window(index - before));
  }
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

Windows share_text_windows(StageContext& context, const TextSource& source) {
  std::vector<std::int32_t> tokens;
  if (context.rank() == 0) {
    const TextWindows windows = context.texts.windows(source);
    for (std::int64_t i = 0; i < windows.count(); ++i) append(tokens, windows.window(i));
  }
  return share_windows(context, std::move(tokens));
}

CalibrationData load_calibration_data(StageContext& context) {
  const CalibrationSettings& settings = context.spec.calibration;
  CalibrationData result;
  result.length = settings.length;
  std::vector<std::int32_t> tokens;
  if (context.rank() == 0) tokens = calibration_tokens(context);
  result.windows = share_windows(context, std::move(tokens));
  result.gradient_sequences = spread_evenly(settings.sequences, settings.gradient_sequences);
  return result;
}

}  // namespace cce
