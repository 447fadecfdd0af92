#include "worker/text/json.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <unordered_set>
#include <utility>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "worker/text/pattern.h"

namespace cce {
namespace {

// Tables are indexed by id; the largest published vocabularies have 2^18 tokens.
constexpr IntegerRange id_range = {0, (1 << 24) - 1};

[[noreturn]] void refuse_unsupported(const JsonReader& node, const std::string& expected) {
  node.refuse(ErrorCode::unsupported, expected,
              "Tokenize with scripts/tokenize.py and pass the token file as text");
}

[[noreturn]] void refuse_malformed(const JsonReader& node, const std::string& expected) {
  node.refuse(ErrorCode::malformed_file, expected, "Repair the tokenizer.json or download it again");
}

// A key that nothing here reads could change the ids: that is unsupported, not a typing error.
void check_keys(JsonReader& node, std::initializer_list<std::string_view> known) {
  for (const std::string& key : node.keys()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw Error{.code = ErrorCode::unsupported,
                .where = node.where(),
                .found = "the key '" + key + "'",
                .expected = "only keys that this version reads",
                .remedy = "Tokenize with scripts/tokenize.py and pass the token file as text"};
  }
}

std::string type_of(JsonReader& node) {
  return node.required("type").text();
}

bool parse_normalizer(JsonReader node) {
  const std::string type = type_of(node);
  if (type == "NFC") {
    check_keys(node, {"type"});
    return true;
  }
  if (type != "Sequence") refuse_unsupported(node.required("type"), "NFC, Sequence or null");
  check_keys(node, {"type", "normalizers"});
  bool nfc = false;
  for (const JsonReader& member : node.required("normalizers").items()) nfc = parse_normalizer(member) || nfc;
  return nfc;
}

// A String pattern is looked for as it is written.
std::string escaped_literal(std::string_view literal) {
  std::string pattern;
  for (const char character : literal) {
    if (std::string_view(R"(\^$.[]|()?*+{}-#&~ )").find(character) != std::string_view::npos) pattern += '\\';
    pattern += character;
  }
  return pattern;
}

SplitStep parse_split(JsonReader& node) {
  check_keys(node, {"type", "pattern", "behavior", "invert"});
  JsonReader pattern = node.required("pattern");
  check_keys(pattern, {"Regex", "String"});
  SplitStep step;
  step.behavior = node.required("behavior")
                      .choice<SplitBehavior>({
                          {"Removed", SplitBehavior::removed},
                          {"Isolated", SplitBehavior::isolated},
                          {"MergedWithPrevious", SplitBehavior::merged_with_previous},
                          {"MergedWithNext", SplitBehavior::merged_with_next},
                          {"Contiguous", SplitBehavior::contiguous},
                      });
  step.invert = node.boolean_or("invert", false);
  const bool is_regex = pattern.has("Regex");
  const JsonReader written = pattern.required(is_regex ? "Regex" : "String");
  step.where = written.where();
  step.pattern = is_regex ? to_pcre2_pattern(written.text(), step.where) : escaped_literal(written.text());
  return step;
}

// Appends the steps; says whether the last one turned text into bytes, after which nothing may follow.
bool parse_pre_tokenizer(JsonReader node, std::vector<SplitStep>& steps) {
  const std::string type = type_of(node);
  if (type == "Sequence") {
    check_keys(node, {"type", "pretokenizers"});
    bool bytes = false;
    for (const JsonReader& member : node.required("pretokenizers").items()) {
      if (bytes) refuse_unsupported(member, "ByteLevel as the last pre-tokenizer");
      bytes = parse_pre_tokenizer(member, steps);
    }
    return bytes;
  }
  if (type == "ByteLevel") {
    check_keys(node, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
    if (node.boolean_or("add_prefix_space", true)) {
      steps.push_back({.kind = SplitStep::Kind::prefix_space, .pattern = "", .where = node.where()});
    }
    if (node.boolean_or("use_regex", true)) steps.push_back(gpt2_split(node.where()));
    return true;
  }
  if (type == "Digits") {
    check_keys(node, {"type", "individual_digits"});
    steps.push_back(digits_split(node.boolean_or("individual_digits", false), node.where()));
  } else if (type == "Split") {
    steps.push_back(parse_split(node));
  } else {
    refuse_unsupported(node.required("type"), "ByteLevel, Digits, Split or a Sequence of them");
  }
  return false;
}

void check_post_processor(JsonReader node) {
  const std::string type = type_of(node);
  if (type == "Sequence") {
    for (const JsonReader& member : node.required("processors").items()) check_post_processor(member);
  } else if (type != "ByteLevel" && type != "TemplateProcessing") {
    refuse_unsupported(node.required("type"), "ByteLevel, TemplateProcessing, a Sequence of them or null");
  }
}

void check_decoder(JsonReader node) {
  if (type_of(node) != "ByteLevel") refuse_unsupported(node, "ByteLevel");
  check_keys(node, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
}

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
    const auto number = static_cast<std::int32_t>(entry.integer(id_range));
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
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"}) {
    check_neutral(node, key);
  }
  BpeDefinition model;
  parse_vocabulary(node.required("vocab"), model);
  parse_merges(node.required("merges"), model);
  if (const auto unknown = node.optional("unk_token")) model.unknown_token = unknown->text();
  model.fuse_unknown = node.boolean_or("fuse_unk", false);
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
    AddedToken token{.id = static_cast<std::int32_t>(id.integer(id_range)),
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
  if (const auto normalizer = root.optional("normalizer"))
    definition.normalize_nfc = parse_normalizer(*normalizer);
  const auto pre_tokenizer = root.optional("pre_tokenizer");
  if (!pre_tokenizer || !parse_pre_tokenizer(*pre_tokenizer, definition.split_steps)) {
    refuse_unsupported(pre_tokenizer.value_or(root),
                       "a pre_tokenizer that is ByteLevel, or a Sequence that ends with it");
  }
  if (const auto post_processor = root.optional("post_processor")) check_post_processor(*post_processor);
  if (!root.has("decoder")) refuse_unsupported(root, "the decoder ByteLevel");
  check_decoder(root.required("decoder"));
  return definition;
}

}  // namespace cce
