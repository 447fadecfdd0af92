#include "worker/text/json.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "worker/text/json_steps.h"

namespace cce {
namespace {

void parse_merges(const JsonReader& node, BpeDefinition& model) {
  if (!node.is_array()) node.refuse(ErrorCode::wrong_type, "an array");
  const auto refuse = [&](std::size_t index) {
    refuse_malformed(JsonReader(node.json()[index], node.where() + "[" + std::to_string(index) + "]"),
                     "two tokens, as \"left right\" or [\"left\", \"right\"]");
  };
  model.merges.reserve(node.json().size());
  for (std::size_t i = 0; i < node.json().size(); ++i) {
    const Json& merge = node.json()[i];
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      model.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    if (!merge.is_string()) refuse(i);
    const auto& line = merge.get_ref<const std::string&>();
    if (line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) refuse(i);
    model.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
}

void parse_vocabulary(const JsonReader& node, BpeDefinition& model) {
  if (!node.is_object()) node.refuse(ErrorCode::wrong_type, "an object");
  std::unordered_set<std::int32_t> used;
  for (const auto& [token, id] : node.json().items()) {
    const JsonReader entry(id, node.where() + "." + token);
    const auto number = static_cast<std::int32_t>(entry.integer(token_id_range));
    if (!used.insert(number).second) refuse_malformed(entry, "an id of its own");
    model.vocabulary.emplace(token, number);
  }
}

// Settings that change the model's symbols: only their neutral values are handled.
void check_neutral(JsonReader& model, const char* key) {
  const std::optional<JsonReader> setting = model.optional(key);
  if (!setting) return;
  const Json& value = setting->json();
  if (value != Json("") && value != Json(false) && value != Json(0.0)) refuse_unsupported(*setting, "none");
}

BpeDefinition parse_model(JsonReader node) {
  if (node.text_or("type", "BPE") != "BPE") refuse_unsupported(node.required("type"), "BPE");
  check_keys(node, {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                    "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    check_neutral(node, key);
  }
  BpeDefinition model;
  parse_vocabulary(node.required("vocab"), model);
  parse_merges(node.required("merges"), model);
  if (const auto unknown = node.optional("unk_token")) model.unknown_token = unknown->text();
  model.fuse_unknown = node.boolean_or("fuse_unk", false);
  model.byte_fallback = node.boolean_or("byte_fallback", false);
  model.ignore_merges = node.boolean_or("ignore_merges", false);
  return model;
}

// Hugging Face numbers tokens outside the vocabulary itself, one after another; ids that disagree would be
// changed.
std::vector<AddedToken> parse_added_tokens(const JsonReader& node, const BpeDefinition& model) {
  std::vector<AddedToken> tokens;
  auto next_id = static_cast<std::int64_t>(model.vocabulary.size());
  for (JsonReader& entry : node.items()) {
    check_keys(entry, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    const JsonReader id = entry.required("id");
    AddedToken token{.id = static_cast<std::int32_t>(id.integer(token_id_range)),
                     .content = entry.required("content").text(),
                     .single_word = entry.boolean_or("single_word", false),
                     .left_strip = entry.boolean_or("lstrip", false),
                     .right_strip = entry.boolean_or("rstrip", false),
                     .normalized = entry.boolean_or("normalized", true)};
    const auto known = model.vocabulary.find(token.content);
    const std::int64_t expected = known != model.vocabulary.end() ? known->second : next_id++;
    if (token.id != expected) refuse_malformed(id, std::to_string(expected) + ", the next free id");
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

TokenizerDefinition parse_tokenizer_json(std::string_view json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader root(document, where);
  check_keys(root, {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                    "post_processor", "decoder", "model"});
  if (root.text_or("version", "1.0") != "1.0") refuse_unsupported(root.required("version"), "1.0");
  TokenizerDefinition definition;
  definition.model = parse_model(root.required("model"));
  if (const auto added = root.optional("added_tokens")) {
    definition.added_tokens = parse_added_tokens(*added, definition.model);
  }
  if (const auto normalizer = root.optional("normalizer")) {
    definition.normalizer_steps = parse_normalizer(*normalizer);
  }
  const auto pre_tokenizer = root.optional("pre_tokenizer");
  const bool bytes = pre_tokenizer && parse_pre_tokenizer(*pre_tokenizer, definition.split_steps);
  definition.model.alphabet = bytes ? BpeAlphabet::bytes : BpeAlphabet::characters;
  if (bytes && definition.model.byte_fallback) {
    refuse_unsupported(root.required("model").required("byte_fallback"), "none with ByteLevel");
  }
  if (const auto post_processor = root.optional("post_processor")) {
    definition.begin_ids = parse_begin_ids(*post_processor);
  }
  if (!root.has("decoder")) refuse_unsupported(root, "a decoder");
  definition.decoder_steps = parse_decoder(root.required("decoder"));
  return definition;
}

}  // namespace cce
