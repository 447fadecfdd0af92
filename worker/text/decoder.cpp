#include "worker/text/decoder.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "worker/text/normalizer.h"
#include "worker/text/unicode.h"

namespace cce {
namespace {

constexpr const char* replacement_character = "\xEF\xBF\xBD";

std::string joined(const std::vector<std::string>& tokens) {
  return std::accumulate(tokens.begin(), tokens.end(), std::string());
}

std::string bytes_of_tokens(const std::vector<std::string>& tokens) {
  const ByteAlphabet alphabet;
  std::string bytes;
  for (const std::string& token : tokens) bytes += alphabet.bytes_of(token).value_or(token);
  return replace_invalid_utf8(bytes);
}

std::optional<char> byte_of(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  const auto digit = [](char letter) {
    if (letter >= '0' && letter <= '9') return letter - '0';
    if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
  };
  const int high = digit(token[3]);
  const int low = digit(token[4]);
  return high < 0 || low < 0 ? std::nullopt : std::optional(static_cast<char>(16 * high + low));
}

std::vector<std::string> with_bytes_as_text(const std::vector<std::string>& tokens) {
  std::vector<std::string> result;
  std::string run;
  const auto end_run = [&] {
    if (run.empty()) return;
    if (!first_invalid_utf8(run)) {
      result.push_back(run);
    } else {
      result.insert(result.end(), run.size(), replacement_character);
    }
    run.clear();
  };
  for (const std::string& token : tokens) {
    if (const std::optional<char> byte = byte_of(token)) {
      run.push_back(*byte);
      continue;
    }
    end_run();
    result.push_back(token);
  }
  end_run();
  return result;
}

void strip(std::string& token, const DecoderStep& step) {
  std::string_view left = token;
  for (std::size_t i = 0; i < step.start && left.starts_with(step.content); ++i) {
    left.remove_prefix(step.content.size());
  }
  for (std::size_t i = 0; i < step.stop && left.ends_with(step.content); ++i) {
    left.remove_suffix(step.content.size());
  }
  token = std::string(left);
}

void apply(const DecoderStep& step, std::vector<std::string>& tokens) {
  switch (step.kind) {
    case DecoderStep::Kind::byte_level:
      tokens = {bytes_of_tokens(tokens)};
      return;
    case DecoderStep::Kind::replace:
      for (std::string& token : tokens) token = replace_all(token, step.pattern, step.content);
      return;
    case DecoderStep::Kind::byte_fallback:
      tokens = with_bytes_as_text(tokens);
      return;
    case DecoderStep::Kind::fuse:
      tokens = {joined(tokens)};
      return;
    case DecoderStep::Kind::strip:
      for (std::string& token : tokens) strip(token, step);
      return;
    case DecoderStep::Kind::metaspace:
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        tokens[i] = replace_all(tokens[i], step.pattern, i == 0 && step.drops_first ? "" : " ");
      }
      return;
  }
}

}  // namespace

std::string decode_tokens(const std::vector<DecoderStep>& steps, std::vector<std::string> tokens) {
  for (const DecoderStep& step : steps) apply(step, tokens);
  return joined(tokens);
}

}  // namespace cce
