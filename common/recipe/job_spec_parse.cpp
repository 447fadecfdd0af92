#include <filesystem>

#include "common/base/json_reader.h"
#include "common/base/number_format.h"
#include "common/recipe/job_spec.h"
#include "common/recipe/job_spec_names.h"

namespace cce {
namespace {

constexpr IntegerRange from_zero{.lowest = 0, .highest = 1LL << 40};
constexpr IntegerRange from_one{.lowest = 1, .highest = 1LL << 40};
constexpr NumberRange fraction{.lowest = 0.0, .highest = 1.0};
constexpr NumberRange learning_rates{.lowest = 0.0, .highest = 1.0, .above_lowest = true};
constexpr NumberRange not_negative{.lowest = 0.0, .highest = 1e9};

/// "0:32", "-48:", ":16" or "5:" as in Python, without a step.
void parse_windows(const JsonReader& reader, TextSource& source) {
  const std::string text = reader.text();
  const std::size_t colon = text.find(':');
  const auto bound = [&](const std::string& part) -> std::optional<std::int64_t> {
    if (part.empty()) {
      return std::nullopt;
    }
    const bool digits_only =
        part.find_first_not_of("0123456789", part[0] == '-' ? 1 : 0) == std::string::npos;
    if (!digits_only || part == "-" || part.size() > 12) {
      reader.refuse(ErrorCode::out_of_range, "FIRST:LAST as in Python, such as 0:32, -48: or :16");
    }
    return std::stoll(part);
  };
  if (colon == std::string::npos) {
    reader.refuse(ErrorCode::out_of_range, "FIRST:LAST as in Python, such as 0:32, -48: or :16");
  }
  source.first = bound(text.substr(0, colon)).value_or(0);
  source.last = bound(text.substr(colon + 1));
  const bool same_sign = source.last && (source.first < 0) == (*source.last < 0);
  if (same_sign && *source.last <= source.first) {
    reader.refuse(ErrorCode::out_of_range, "a range that holds at least one window");
  }
}

std::string not_empty(const JsonReader& reader) {
  std::string text = reader.text();
  if (text.empty()) {
    reader.refuse(ErrorCode::out_of_range, "a text that is not empty");
  }
  return text;
}

TextSource parse_text_source(JsonReader reader) {
  TextSource source;
  if (reader.is_string()) {
    source.path = not_empty(reader);
  } else if (reader.is_object()) {
    source.path = not_empty(reader.required("path"));
    source.name = reader.text_or("name", "");
    if (const std::optional<JsonReader> windows = reader.optional("windows")) {
      parse_windows(*windows, source);
    }
    reader.refuse_unknown_keys();
  } else {
    reader.refuse(ErrorCode::wrong_type, "a path, or {path, name, windows}");
  }
  if (source.name.empty()) {
    source.name = std::filesystem::path(source.path).stem().string();
  }
  return source;
}

std::vector<TextSource> parse_text_sources(JsonReader& section, const char* key = "text") {
  std::vector<TextSource> sources;
  if (const std::optional<JsonReader> text = section.optional(key)) {
    if (!text->is_array()) {
      return {parse_text_source(*text)};
    }
    for (const JsonReader& item : text->items()) {
      sources.push_back(parse_text_source(item));
      for (std::size_t i = 0; i + 1 < sources.size(); ++i) {
        if (sources[i].name == sources.back().name && sources[i].path != sources.back().path) {
          item.refuse(ErrorCode::out_of_range, "names that differ; '" + sources[i].name + "' is already used",
                      "Give one of the two another name");
        }
      }
    }
  }
  return sources;
}

CalibrationSettings parse_calibration(JsonReader section) {
  CalibrationSettings settings;
  settings.text = parse_text_sources(section);
  settings.length = section.integer_or("length", settings.length, {.lowest = 2, .highest = 1 << 20});
  settings.sequences = section.integer_or("sequences", settings.sequences, {.lowest = 1, .highest = 1 << 24});
  const std::int64_t quarter = std::max<std::int64_t>(1, settings.sequences / 4);
  settings.gradient_sequences =
      section.integer_or("gradient_sequences", quarter, {.lowest = 1, .highest = settings.sequences});
  settings.keep_statistics = section.boolean_or("keep_statistics", settings.keep_statistics);
  section.refuse_unknown_keys();
  return settings;
}

std::int64_t bytes_of(const JsonReader& reader) {
  return reader.is_string() ? parse_bytes(reader.text(), reader.where()) : reader.integer(from_one);
}

Target parse_target(JsonReader section) {
  Target target;
  int kinds = 0;
  for (const auto& [name, kind] : target_kind_names()) {
    if (kind == TargetKind::threshold || !section.has(name)) {
      continue;
    }
    ++kinds;
    target.kind = kind;
    const JsonReader amount = section.required(name);
    target.amount = kind == TargetKind::fit_bytes
                        ? static_cast<double>(bytes_of(amount))
                        : amount.number({.lowest = 0.0, .highest = 0.99, .above_lowest = true});
  }
  section.refuse_unknown_keys();
  if (kinds != 1) {
    section.refuse(ErrorCode::impossible_combination,
                   "exactly one of remove_params, remove_flops, fit_bytes");
  }
  return target;
}

Target parse_threshold(JsonReader section) {
  Target target;
  target.kind = TargetKind::threshold;
  target.epsilon = section.number_or("epsilon", target.epsilon, fraction);
  target.tau = section.number_or("tau", target.tau, fraction);
  section.refuse_unknown_keys();
  return target;
}

SimilaritySettings parse_similarity(JsonReader section) {
  SimilaritySettings settings;
  settings.weight = section.number_or("weight", settings.weight, fraction);
  settings.cluster_threshold = section.number_or("cluster_threshold", settings.cluster_threshold, fraction);
  section.refuse_unknown_keys();
  return settings;
}

EncodeSettings parse_encode(JsonReader section) {
  EncodeSettings settings;
  settings.target = section.choice_or("target", settings.target, refit_target_names());
  settings.refine_steps = section.integer_or("refine_steps", settings.refine_steps, from_zero);
  settings.refine_batch_tokens =
      section.integer_or("refine_batch_tokens", settings.refine_batch_tokens, from_one);
  settings.refine_learning_rate =
      section.number_or("refine_learning_rate", settings.refine_learning_rate, learning_rates);
  settings.gradient_weighted_covariance =
      section.boolean_or("gradient_weighted_covariance", settings.gradient_weighted_covariance);
  settings.loss_weighted_scores = section.boolean_or("loss_weighted_scores", settings.loss_weighted_scores);
  settings.elimination_block =
      section.integer_or("elimination_block", settings.elimination_block, {.lowest = 1, .highest = 4096});
  settings.token_weights = section.boolean_or("token_weights", settings.token_weights);
  const std::optional<JsonReader> lambda = section.optional("ridge_lambda");
  if (lambda && !(lambda->is_string() && lambda->text() == "auto")) {
    settings.ridge_lambda = lambda->number({.lowest = 0.0, .highest = 1e3, .above_lowest = true});
  }
  settings.equal_budgets = section.boolean_or("equal_budgets", settings.equal_budgets);
  section.refuse_unknown_keys();
  return settings;
}

FinetuneSettings parse_finetune(JsonReader section) {
  FinetuneSettings settings;
  const auto number = [&section](const char* key, double& value, NumberRange range) {
    value = section.number_or(key, value, range);
  };
  const auto integer = [&section](const char* key, std::int64_t& value, IntegerRange range) {
    value = section.integer_or(key, value, range);
  };
  settings.text = parse_text_sources(section);
  settings.validation = parse_text_sources(section, "validation");
  integer("max_tokens", settings.max_tokens, from_zero);
  number("max_seconds", settings.max_seconds, not_negative);
  number("learning_rate", settings.learning_rate, learning_rates);
  integer("batch_tokens", settings.batch_tokens, from_one);
  number("warmup", settings.warmup, fraction);
  number("clip", settings.clip, not_negative);
  number("weight_decay", settings.weight_decay, fraction);
  for (const auto& [key, weight] : {std::pair("alpha", &settings.alpha), std::pair("beta", &settings.beta),
                                    std::pair("gamma", &settings.gamma), std::pair("kl", &settings.kl),
                                    std::pair("delta", &settings.delta)}) {
    number(key, *weight, not_negative);
  }
  const std::optional<JsonReader> teacher = section.optional("teacher");
  settings.teacher = teacher ? teacher->text() : "";
  settings.teacher_digest = section.text_or("teacher_digest", "");
  integer("validate_steps", settings.validate_steps, from_zero);
  integer("patience", settings.patience, from_one);
  integer("checkpoint_steps", settings.checkpoint_steps, from_one);
  section.refuse_unknown_keys();
  return settings;
}

ExportSettings parse_export(JsonReader section) {
  ExportSettings settings;
  settings.format = section.choice_or("format", settings.format, format_names());
  settings.round_to = section.integer_or("round_to", settings.round_to, {.lowest = 1, .highest = 65536});
  settings.dtype = section.choice_or<std::string>("dtype", settings.dtype,
                                                  {{"bf16", "bf16"}, {"f16", "f16"}, {"f32", "f32"}});
  section.refuse_unknown_keys();
  return settings;
}

EvaluateSettings parse_evaluate(JsonReader section) {
  EvaluateSettings settings;
  settings.text = parse_text_sources(section);
  if (const std::optional<JsonReader> tasks = section.optional("tasks")) {
    settings.tasks = tasks->texts();
  }
  settings.samples = section.integer_or("samples", settings.samples, {.lowest = 0, .highest = 1000});
  section.refuse_unknown_keys();
  return settings;
}

GuardSettings parse_guard(JsonReader section) {
  GuardSettings settings;
  settings.mode = section.choice_or("mode", settings.mode, guard_mode_names());
  settings.perplexity_increase =
      section.number_or("perplexity_increase", settings.perplexity_increase, not_negative);
  settings.attention_variance_ratio =
      section.number_or("attention_variance_ratio", settings.attention_variance_ratio, not_negative);
  settings.position_drift = section.number_or("position_drift", settings.position_drift, not_negative);
  section.refuse_unknown_keys();
  return settings;
}

bool is_auto(const JsonReader& reader) {
  return reader.is_string() && reader.text() == "auto";
}

ResourceSettings parse_resources(JsonReader section) {
  ResourceSettings settings;
  settings.ranks = section.integer_or("ranks", settings.ranks, {.lowest = 1, .highest = 65536});
  const std::optional<JsonReader> threads = section.optional("threads");
  if (threads && !is_auto(*threads)) {
    settings.threads = threads->integer({.lowest = 1, .highest = 4096});
  }
  settings.device = section.choice_or<std::string>("device", settings.device,
                                                   {{"auto", "auto"}, {"cpu", "cpu"}, {"cuda", "cuda"}});
  settings.precision =
      section.choice_or<std::string>("precision", settings.precision,
                                     {{"auto", "auto"}, {"bf16", "bf16"}, {"f32", "f32"}, {"tf32", "tf32"}});
  const std::optional<JsonReader> memory = section.optional("memory");
  if (memory && !is_auto(*memory)) {
    settings.memory_bytes = bytes_of(*memory);
  }
  settings.nodes = section.integer_or("nodes", settings.nodes, {.lowest = 1, .highest = 65536});
  settings.gpus_per_rank =
      section.integer_or("gpus_per_rank", settings.gpus_per_rank, {.lowest = 0, .highest = 64});
  const auto name = [&section](const std::string& key) -> std::optional<std::string> {
    const std::optional<JsonReader> value = section.optional(key);
    return value ? std::optional(not_empty(*value)) : std::nullopt;
  };
  settings.partition = name("partition");
  settings.account = name("account");
  settings.qos = name("qos");
  settings.constraint = name("constraint");
  if (const std::optional<JsonReader> modules = section.optional("modules")) {
    for (const JsonReader& item : modules->items()) {
      settings.modules.push_back(not_empty(item));
    }
  }
  settings.container = name("container");
  if (const std::optional<JsonReader> limit = section.optional("time_limit")) {
    settings.time_limit = limit->text();
    parse_duration_seconds(settings.time_limit, limit->where());
  }
  section.refuse_unknown_keys();
  return settings;
}

/// A list of distinct names in the table's order.
template <typename Value>
std::vector<Value> parse_names(const JsonReader& reader, const NameTable<Value>& names) {
  std::vector<Value> values;
  for (const JsonReader& item : reader.items()) {
    const Value value = item.choice(names);
    if (std::find(values.begin(), values.end(), value) != values.end()) {
      item.refuse(ErrorCode::out_of_range, "each name once");
    }
    values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  return values;
}

void parse_target_keys(JsonReader& recipe, JobSpec& spec) {
  const std::optional<JsonReader> target = recipe.optional("target");
  const std::optional<JsonReader> threshold = recipe.optional("threshold");
  if (target && threshold) {
    threshold->refuse(ErrorCode::impossible_combination, "either target or threshold",
                      "Remove one of the two");
  }
  if (target) {
    spec.target = parse_target(*target);
  } else if (threshold) {
    spec.target = parse_threshold(*threshold);
  }
}

}  // namespace

JobSpec parse_job_spec(const std::string& json_text, const std::string& where) {
  return parse_job_spec(parse_json(json_text, where), where);
}

JobSpec parse_job_spec(const Json& document, const std::string& where) {
  const Json nothing = Json::object();
  JsonReader recipe(document, where);
  const auto section = [&](const std::string& key) {
    return recipe.has(key) ? recipe.required(key) : JsonReader(nothing, where, key);
  };
  JobSpec spec;
  spec.model = not_empty(recipe.required("model"));
  spec.model_digest = recipe.text_or("model_digest", "");
  spec.output = recipe.text_or("output", "");
  spec.seed =
      recipe.integer_or("seed", 0, {.lowest = 0, .highest = std::numeric_limits<std::int64_t>::max()});
  spec.calibration = parse_calibration(section("calibration"));
  parse_target_keys(recipe, spec);
  const std::optional<JsonReader> structures = recipe.optional("structures");
  if (structures && !is_auto(*structures)) {
    spec.structures = parse_names(*structures, structure_names());
    if (spec.structures.empty()) {
      structures->refuse(ErrorCode::out_of_range, "auto, or at least one structure");
    }
  }
  spec.similarity = parse_similarity(section("similarity"));
  spec.encode = parse_encode(section("encode"));
  spec.finetune = parse_finetune(section("finetune"));
  spec.export_settings = parse_export(section("export"));
  spec.evaluate = parse_evaluate(section("evaluate"));
  spec.guard = parse_guard(section("guard"));
  spec.resources = parse_resources(section("resources"));
  const std::optional<JsonReader> stages = recipe.optional("stages");
  spec.stages = stages ? parse_names(*stages, stage_names()) : stages_of_compression(spec.finetune);
  recipe.refuse_unknown_keys();
  return spec;
}

}  // namespace cce
