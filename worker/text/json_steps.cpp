#include "worker/text/json_steps.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/error.h"
#include "worker/text/pattern.h"
#include "worker/text/unicode.h"

namespace cce {
namespace {

constexpr const char* script_remedy = "Tokenize with scripts/tokenize.py and pass the token file as text";

std::string type_of(JsonReader node) {
  return node.required("type").text();
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

// The pattern of a Replace: a string.
std::string replaced_string(JsonReader& node) {
  JsonReader pattern = node.required("pattern");
  check_keys(pattern, {"Regex", "String"});
  if (!pattern.has("String")) refuse_unsupported(pattern, "a String");
  std::string text = pattern.required("String").text();
  if (text.empty()) refuse_unsupported(pattern, "a String that is not empty");
  return text;
}

void append_normalizer(JsonReader node, std::vector<NormalizerStep>& steps) {
  const std::string type = type_of(node);
  if (type == "Sequence") {
    check_keys(node, {"type", "normalizers"});
    for (const JsonReader& member : node.required("normalizers").items()) append_normalizer(member, steps);
  } else if (type == "NFC") {
    check_keys(node, {"type"});
    steps.push_back({.kind = NormalizerStep::Kind::nfc, .pattern = "", .content = ""});
  } else if (type == "Prepend") {
    check_keys(node, {"type", "prepend"});
    steps.push_back(
        {.kind = NormalizerStep::Kind::prepend, .pattern = "", .content = node.required("prepend").text()});
  } else if (type == "Replace") {
    check_keys(node, {"type", "pattern", "content"});
    std::string pattern = replaced_string(node);
    steps.push_back({.kind = NormalizerStep::Kind::replace,
                     .pattern = std::move(pattern),
                     .content = node.required("content").text()});
  } else {
    refuse_unsupported(node.required("type"), "NFC, Prepend, Replace, a Sequence of them or null");
  }
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

struct Metaspace {
  std::string replacement;
  bool prepends = true, only_at_start = false, cuts = true;
};

// Both spellings: prepend_scheme, and add_prefix_space as before it.
Metaspace parse_metaspace(JsonReader& node) {
  check_keys(node, {"type", "replacement", "str_rep", "prepend_scheme", "add_prefix_space", "split"});
  const JsonReader replacement = node.required("replacement");
  Metaspace metaspace{.replacement = replacement.text()};
  if (metaspace.replacement.empty() ||
      read_utf8(metaspace.replacement, 0).bytes != metaspace.replacement.size()) {
    refuse_malformed(replacement, "one character");
  }
  const bool prefix = node.boolean_or("add_prefix_space", true);
  const std::string scheme =
      node.choice_or<std::string>("prepend_scheme", prefix ? "always" : "never",
                                  {{"always", "always"}, {"first", "first"}, {"never", "never"}});
  if (!prefix && scheme != "never") {
    refuse_malformed(node.required("add_prefix_space"), "what prepend_scheme says, which is " + scheme);
  }
  metaspace.prepends = scheme != "never";
  metaspace.only_at_start = scheme == "first";
  metaspace.cuts = node.boolean_or("split", true);
  return metaspace;
}

void append_metaspace(JsonReader& node, std::vector<SplitStep>& steps) {
  const Metaspace metaspace = parse_metaspace(node);
  const std::string where = node.where();
  steps.push_back(
      {.kind = SplitStep::Kind::replace, .pattern = " ", .content = metaspace.replacement, .where = where});
  if (metaspace.prepends) {
    steps.push_back({.kind = SplitStep::Kind::prefix,
                     .pattern = "",
                     .content = metaspace.replacement,
                     .only_at_start = metaspace.only_at_start,
                     .where = where});
  }
  if (metaspace.cuts) {
    steps.push_back({.pattern = escaped_literal(metaspace.replacement),
                     .behavior = SplitBehavior::merged_with_next,
                     .content = "",
                     .where = where});
  }
}

DecoderStep parse_decoder_step(JsonReader& node, const std::string& type) {
  if (type == "ByteLevel") {
    check_keys(node, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
    return {.kind = DecoderStep::Kind::byte_level, .pattern = "", .content = ""};
  }
  if (type == "Replace") {
    check_keys(node, {"type", "pattern", "content"});
    std::string pattern = replaced_string(node);
    return {.kind = DecoderStep::Kind::replace,
            .pattern = std::move(pattern),
            .content = node.required("content").text()};
  }
  if (type == "ByteFallback" || type == "Fuse") {
    check_keys(node, {"type"});
    return {.kind = type == "Fuse" ? DecoderStep::Kind::fuse : DecoderStep::Kind::byte_fallback,
            .pattern = "",
            .content = ""};
  }
  if (type == "Strip") {
    check_keys(node, {"type", "content", "start", "stop"});
    const JsonReader content = node.required("content");
    if (content.text().empty()) refuse_malformed(content, "one character");
    constexpr IntegerRange counts{.lowest = 0, .highest = 1 << 20};
    return {.kind = DecoderStep::Kind::strip,
            .pattern = "",
            .content = content.text(),
            .start = static_cast<std::size_t>(node.integer_or("start", 0, counts)),
            .stop = static_cast<std::size_t>(node.integer_or("stop", 0, counts))};
  }
  if (type == "Metaspace") {
    const Metaspace metaspace = parse_metaspace(node);
    return {.kind = DecoderStep::Kind::metaspace,
            .pattern = metaspace.replacement,
            .content = "",
            .drops_first = metaspace.prepends};
  }
  refuse_unsupported(node, "ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace or a Sequence of them");
}

void append_decoder(JsonReader node, std::vector<DecoderStep>& steps) {
  const std::string type = type_of(node);
  if (type != "Sequence") {
    steps.push_back(parse_decoder_step(node, type));
    return;
  }
  check_keys(node, {"type", "decoders"});
  for (const JsonReader& member : node.required("decoders").items()) append_decoder(member, steps);
}

// The special tokens of a TemplateProcessing that stand before the text itself.
std::vector<std::int32_t> ids_before_text(JsonReader node) {
  std::vector<std::int32_t> ids;
  for (JsonReader& piece : node.required("single").items()) {
    if (piece.has("Sequence")) return ids;
    const std::string name = piece.required("SpecialToken").required("id").text();
    JsonReader token = node.required("special_tokens").required(name);
    for (const std::int64_t id : token.required("ids").integers(token_id_range)) {
      ids.push_back(static_cast<std::int32_t>(id));
    }
  }
  refuse_malformed(node.required("single"), "a place for the text");
}

}  // namespace

void refuse_unsupported(const JsonReader& node, const std::string& expected) {
  node.refuse(ErrorCode::unsupported, expected, script_remedy);
}

void refuse_malformed(const JsonReader& node, const std::string& expected) {
  node.refuse(ErrorCode::malformed_file, expected, "Repair the tokenizer.json or download it again");
}

void check_keys(const JsonReader& node, std::initializer_list<std::string_view> known) {
  for (const std::string& key : node.keys()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw Error{.code = ErrorCode::unsupported,
                .where = node.where(),
                .found = "the key '" + key + "'",
                .expected = "only keys that this version reads",
                .remedy = script_remedy};
  }
}

std::vector<NormalizerStep> parse_normalizer(const JsonReader& node) {
  std::vector<NormalizerStep> steps;
  append_normalizer(node, steps);
  return steps;
}

std::vector<DecoderStep> parse_decoder(const JsonReader& node) {
  std::vector<DecoderStep> steps;
  append_decoder(node, steps);
  return steps;
}

bool parse_pre_tokenizer(const JsonReader& given, std::vector<SplitStep>& steps) {
  JsonReader node = given;
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
      steps.push_back(
          {.kind = SplitStep::Kind::prefix, .pattern = "", .content = " ", .where = node.where()});
    }
    if (node.boolean_or("use_regex", true)) steps.push_back(gpt2_split(node.where()));
    return true;
  }
  if (type == "Digits") {
    check_keys(node, {"type", "individual_digits"});
    steps.push_back(digits_split(node.boolean_or("individual_digits", false), node.where()));
  } else if (type == "Split") {
    steps.push_back(parse_split(node));
  } else if (type == "Metaspace") {
    append_metaspace(node, steps);
  } else {
    refuse_unsupported(node.required("type"), "ByteLevel, Digits, Metaspace, Split or a Sequence of them");
  }
  return false;
}

std::vector<std::int32_t> parse_begin_ids(const JsonReader& given) {
  JsonReader node = given;
  const std::string type = type_of(node);
  if (type == "TemplateProcessing") return ids_before_text(node);
  if (type == "ByteLevel") return {};
  if (type != "Sequence") {
    refuse_unsupported(node.required("type"), "ByteLevel, TemplateProcessing, a Sequence of them or null");
  }
  // A later member puts its tokens around those of the members before it.
  std::vector<std::int32_t> ids;
  for (const JsonReader& member : node.required("processors").items()) {
    const std::vector<std::int32_t> before = parse_begin_ids(member);
    ids.insert(ids.begin(), before.begin(), before.end());
  }
  return ids;
}

}  // namespace cce
