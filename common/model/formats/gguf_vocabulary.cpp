#include "common/model/formats/gguf_vocabulary.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/model/formats/shared_shapes.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr std::int32_t normal_token = 1, control_token = 3, user_defined_token = 4, unused_token = 5;

/// How a tokenizer.json splits text before merging, and what llama.cpp (src/llama-vocab.cpp) calls it. `digits`: each
/// digit is split off first. An empty pattern: the byte-level step's own, GPT-2's.
struct PreTokenizer {
  std::string_view name;
  bool digits;
  std::string_view pattern;
};
constexpr std::array pre_tokenizers = {
    PreTokenizer{"gpt-2", false, ""},
    PreTokenizer{"smollm", true, ""},
    PreTokenizer{
        "llama-bpe", false,
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
        R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    PreTokenizer{"qwen2", false,
                 R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                 R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    PreTokenizer{
        "qwen35", false,
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)"
        R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    PreTokenizer{"tekken", false,
                 R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
                 R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
                 R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    PreTokenizer{"gpt-4o", false,
                 R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
                 R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
                 R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
                 R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
                 R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

[[noreturn]] void refuse(const std::string& where, const std::string& found, const std::string& expected) {
  throw Error{
      .code = ErrorCode::unsupported,
      .where = where,
      .found = found,
      .expected = expected,
      .remedy = choose_plain_format() + ", and convert its result with llama.cpp's convert_hf_to_gguf"};
}

/// Members of a JSON object, null where there are none: tokenizer files hold much that is not read here.
const Json& member(const Json& object, const char* key) {
  static const Json none;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : none;
}
std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : "";
}
bool is_true(const Json& value) {
  return value.is_boolean() && value.get<bool>();
}

/// The steps of a part that may be a Sequence of them.
std::vector<const Json*> steps_of(const Json& part, const char* list) {
  std::vector<const Json*> steps;
  if (text_of(member(part, "type")) == "Sequence") {
    for (const Json& step : member(part, list)) {
      steps.push_back(&step);
    }
  } else if (!part.is_null()) {
    steps.push_back(&part);
  }
  return steps;
}

std::string pre_tokenizer_name(const Json& tokenizer, const std::string& where) {
  bool digits = false, is_byte_level = false;
  std::string pattern;
  for (const Json* step : steps_of(member(tokenizer, "pre_tokenizer"), "pretokenizers")) {
    const std::string type = text_of(member(*step, "type"));
    if (type == "Digits" && is_true(member(*step, "individual_digits")) && !digits && pattern.empty()) {
      digits = true;
    } else if (type == "Split" && pattern.empty() && text_of(member(*step, "behavior")) == "Isolated" &&
               !is_true(member(*step, "invert"))) {
      pattern = text_of(member(member(*step, "pattern"), "Regex"));
    } else if (type == "ByteLevel" && !is_true(member(*step, "add_prefix_space")) &&
               (pattern.empty() || member(*step, "use_regex") == false)) {
      is_byte_level = true;
    } else {
      refuse(where + ": pre_tokenizer",
             "a step of type " + (type.empty() ? "null" : type) + " as it is set here",
             "one of the pre-tokenizers that llama.cpp has a name for");
    }
  }
  const auto known = std::find_if(pre_tokenizers.begin(), pre_tokenizers.end(), [&](const PreTokenizer& row) {
    return row.digits == digits && row.pattern == pattern;
  });
  if (!is_byte_level || known == pre_tokenizers.end()) {
    refuse(where + ": pre_tokenizer", "a way of splitting text that llama.cpp has no name for",
           "one of those that docs/formats.md lists");
  }
  return std::string(known->name);
}

/// Added tokens that look like marks of a chat are control tokens even where they are not declared so, as llama.cpp's
/// converter has it.
bool looks_special(const std::string& token) {
  static constexpr std::array<std::string_view, 4> marks = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
  const auto is_between = [&token](std::string_view start, std::string_view end) {
    return token.starts_with(start) && token.ends_with(end);
  };
  return std::find(marks.begin(), marks.end(), token) != marks.end() || is_between("<|", "|>") ||
         is_between("<\uFF5C", "\uFF5C>") || is_between("<unused", ">");
}

std::string replace_all(std::string_view text, std::string_view mark, std::string_view by) {
  std::string replaced;
  for (std::size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark)) {
    replaced.append(text.substr(0, at)).append(by);
    text.remove_prefix(at + mark.size());
  }
  return replaced.append(text);
}

void place_token(GgufVocabulary& vocabulary, const std::string& token, std::int64_t id, std::int32_t type,
                 const std::string& where) {
  if (id < 0 || id >= static_cast<std::int64_t>(vocabulary.tokens.size())) {
    throw Error{
        .code = ErrorCode::out_of_range,
        .where = std::string(where).append(": token '").append(token).append("'"),
        .found = "id " + std::to_string(id),
        .expected = "an id below " + std::to_string(vocabulary.tokens.size()) + ", the embedding's rows",
        .remedy = "Use the tokenizer.json that belongs to the model"};
  }
  vocabulary.tokens[static_cast<std::size_t>(id)] = token;
  vocabulary.types[static_cast<std::size_t>(id)] = type;
}

std::int64_t id_of(const Json& added, const std::string& where) {
  return JsonReader(member(added, "id"), where, "added_tokens: id").integer();
}

void read_tokens(const Json& tokenizer, std::int64_t vocabulary_size, const std::string& where,
                 GgufVocabulary& vocabulary) {
  for (std::int64_t id = 0; id < vocabulary_size; ++id) {
    std::string& token = vocabulary.tokens.emplace_back("[PAD");
    token.append(std::to_string(id)).append("]");
  }
  vocabulary.types.assign(static_cast<std::size_t>(vocabulary_size), unused_token);
  for (const auto& [token, id] : member(member(tokenizer, "model"), "vocab").items()) {
    place_token(vocabulary, token, JsonReader(id, where, "model.vocab").integer(), normal_token, where);
  }
  for (const Json& added : member(tokenizer, "added_tokens")) {
    const std::string token = text_of(member(added, "content"));
    const bool is_control = is_true(member(added, "special")) || looks_special(token);
    place_token(vocabulary, is_control ? token : replace_all(token, "\u2581", " "), id_of(added, where),
                is_control ? control_token : user_defined_token, where);
  }
}

/// "left right", in either spelling of tokenizer.json; a space inside a part is written as the byte-level letter.
void read_merges(const Json& tokenizer, const std::string& where, GgufVocabulary& vocabulary) {
  for (const Json& merge : member(member(tokenizer, "model"), "merges")) {
    const JsonReader reader(merge, where, "model.merges");
    if (!merge.is_array()) {
      vocabulary.merges.push_back(reader.text());
      continue;
    }
    const std::vector<std::string> parts = reader.texts();
    if (parts.size() != 2) {
      reader.refuse(ErrorCode::malformed_file, "two parts");
    }
    std::string& text = vocabulary.merges.emplace_back(replace_all(parts[0], " ", "\u0120"));
    text.append(" ").append(replace_all(parts[1], " ", "\u0120"));
  }
}

/// The special token that a TemplateProcessing puts at one end of a text; empty where it puts none.
std::string template_token(const Json& tokenizer, bool is_first) {
  for (const Json* step : steps_of(member(tokenizer, "post_processor"), "processors")) {
    const Json& single = member(*step, "single");
    if (text_of(member(*step, "type")) == "TemplateProcessing" && single.is_array() && single.size() > 1) {
      return text_of(member(member(is_first ? single.front() : single.back(), "SpecialToken"), "id"));
    }
  }
  return "";
}

/// The content of a token that is named by text or by an object.
std::string token_text(const Json& entry) {
  return entry.is_object() ? text_of(member(entry, "content")) : text_of(entry);
}

void read_special(const Json& tokenizer, const Json& settings, const Json& config, const std::string& where,
                  GgufVocabulary& vocabulary) {
  struct Special {
    const char* type;
    const char* key;  ///< of GGUF
  };
  static constexpr std::array specials = {
      Special{"bos", "bos_token_id"},     Special{"eos", "eos_token_id"},
      Special{"unk", "unknown_token_id"}, Special{"sep", "seperator_token_id"},
      Special{"pad", "padding_token_id"}, Special{"cls", "cls_token_id"},
      Special{"mask", "mask_token_id"}};
  std::map<std::string, std::int64_t> id_of_added;
  for (const Json& added : member(tokenizer, "added_tokens")) {
    id_of_added.try_emplace(text_of(member(added, "content")), id_of(added, where));
  }
  for (const Special& special : specials) {
    const std::string type = special.type;
    const std::string put = type == "bos"   ? template_token(tokenizer, true)
                            : type == "eos" ? template_token(tokenizer, false)
                                            : "";
    std::string token = token_text(member(settings, std::string(type).append("_token").c_str()));
    if (token.empty() || (type == "eos" && !put.empty())) {
      token = put;  // what a text is given counts where nothing else is named
    }
    const auto named = id_of_added.find(token);
    const Json& from_config = member(config, std::string(type).append("_token_id").c_str());
    if (named != id_of_added.end()) {
      vocabulary.special_ids.emplace_back(special.key, static_cast<std::uint32_t>(named->second));
    } else if (from_config.is_number_integer() && from_config.get<std::int64_t>() >= 0) {
      vocabulary.special_ids.emplace_back(special.key, from_config.get<std::uint32_t>());
    }
    const std::string flag = std::string("add_").append(type).append("_token");
    if (const Json& setting = member(settings, flag.c_str()); setting.is_boolean()) {
      vocabulary.flags.emplace_back(flag, setting.get<bool>());
    } else if (!put.empty()) {
      vocabulary.flags.emplace_back(flag, put == token);
    }
  }
}

Json read_optional(const FileSystem& files, const fs::path& path) {
  return files.exists(path) ? parse_json(files.read_text(path), path.string()) : Json();
}

void read_chat_template(const FileSystem& files, const fs::path& folder, const Json& settings,
                        GgufVocabulary& vocabulary) {
  const Json& in_settings = member(settings, "chat_template");
  const fs::path own_file = folder / "chat_template.jinja";
  const Json in_json = read_optional(files, folder / "chat_template.json");
  if (in_settings.is_string()) {
    vocabulary.chat_template = in_settings.get<std::string>();
  } else if (in_settings.is_array()) {  // several by name; llama.cpp runs the default
    for (const Json& entry : in_settings) {
      if (text_of(member(entry, "name")) == "default") {
        vocabulary.chat_template = text_of(member(entry, "template"));
      }
    }
  } else if (files.exists(own_file)) {
    vocabulary.chat_template = files.read_text(own_file);
  } else if (member(in_json, "chat_template").is_string()) {
    vocabulary.chat_template = text_of(member(in_json, "chat_template"));
  }
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const FileSystem& files, const fs::path& folder,
                                    std::int64_t vocabulary_size) {
  const fs::path path = folder / "tokenizer.json";
  if (!files.exists(path)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = path.string(),
                .found = "no such file",
                .expected = "the tokenizer, which a GGUF file carries",
                .remedy = "Put the model's tokenizer.json there. " + choose_plain_format() +
                          " for a result without it"};
  }
  const Json tokenizer = parse_json(files.read_text(path), path.string());
  const Json& model = member(tokenizer, "model");
  if (text_of(member(model, "type")) != "BPE" || is_true(member(model, "byte_fallback"))) {
    refuse(path.string() + ": model", "a tokenizer that is not byte-level BPE", "byte-level BPE");
  }
  const Json settings = read_optional(files, folder / "tokenizer_config.json");
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = pre_tokenizer_name(tokenizer, path.string());
  // Neither NFC nor its lack is written: llama.cpp normalises no text of this kind.
  const std::string normalizer = text_of(member(member(tokenizer, "normalizer"), "type"));
  if (!member(tokenizer, "normalizer").is_null() && normalizer != "NFC") {
    refuse(path.string() + ": normalizer", normalizer, "none or NFC");
  }
  read_tokens(tokenizer, vocabulary_size, path.string(), vocabulary);
  read_merges(tokenizer, path.string(), vocabulary);
  read_special(tokenizer, settings, read_optional(files, folder / "config.json"), path.string(), vocabulary);
  if (const Json& prefix = member(settings, "add_prefix_space"); prefix.is_boolean()) {
    vocabulary.add_space_prefix = prefix.get<bool>();
  }
  read_chat_template(files, folder, settings, vocabulary);
  return vocabulary;
}

}  // namespace cce
