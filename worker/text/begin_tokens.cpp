#include "worker/text/begin_tokens.h"

#include <filesystem>
#include <optional>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "worker/text/json_steps.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

constexpr std::int64_t largest_file_bytes = std::int64_t{1} << 28;

std::optional<Json> read_json(const FileSystem& files, const std::filesystem::path& path) {
  if (!files.exists(path)) return std::nullopt;
  return parse_json(files.read_text(path, largest_file_bytes), path.string());
}

std::vector<std::int32_t> ids_of_post_processor(const Json& document, const std::string& where) {
  JsonReader root(document, where);
  const std::optional<JsonReader> post_processor = root.optional("post_processor");
  if (!post_processor) return {};
  try {
    return parse_begin_ids(*post_processor);
  } catch (const Error& error) {
    if (error.code == ErrorCode::unsupported) return {};  // of a kind that begins no language model's text
    throw;
  }
}

}  // namespace

std::vector<std::int32_t> begin_ids_of(const FileSystem& files, const std::string& model,
                                       BeginTokens setting) {
  if (setting == BeginTokens::never) return {};
  const std::filesystem::path folder = model;
  const std::filesystem::path tokenizer_path = folder / "tokenizer.json";
  std::vector<std::int32_t> ids;
  if (const std::optional<Json> tokenizer = read_json(files, tokenizer_path)) {
    ids = ids_of_post_processor(*tokenizer, tokenizer_path.string());
  } else if (files.exists(folder / "tokenizer.model")) {
    ids = Tokenizer::load(files, model).begin_ids();
  }
  if (!ids.empty() || setting == BeginTokens::automatic) return ids;
  const std::filesystem::path config_path = folder / "config.json";
  if (const std::optional<Json> config = read_json(files, config_path)) {
    JsonReader root(*config, config_path.string());
    const std::optional<JsonReader> begin = root.optional("bos_token_id");
    if (begin && begin->is_number()) return {static_cast<std::int32_t>(begin->integer(token_id_range))};
  }
  throw Error{.code = ErrorCode::unsupported,
              .where = "calibration.bos",
              .found = "always, and a model that names no token for it",
              .expected = "a tokenizer that begins a text with one, or bos_token_id in config.json",
              .remedy = "Set calibration.bos to auto"};
}

}  // namespace cce
