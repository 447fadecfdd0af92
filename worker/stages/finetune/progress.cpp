#include "worker/stages/finetune/progress.h"

#include <array>
#include <cmath>
#include <utility>

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/job/event_names.h"

namespace cce {
namespace {

constexpr std::array<std::pair<Metric, double LossTerms::*>, 5> term_fields{
    {{Metric::rec, &LossTerms::rec},
     {Metric::sim, &LossTerms::sim},
     {Metric::reg, &LossTerms::reg},
     {Metric::kl, &LossTerms::kl},
     {Metric::task, &LossTerms::task}}};

constexpr std::array<std::pair<Metric, double FinetunePoint::*>, 4> point_fields{
    {{Metric::loss, &FinetunePoint::loss},
     {Metric::learning_rate, &FinetunePoint::learning_rate},
     {Metric::gradient_norm, &FinetunePoint::gradient_norm},
     {Metric::tokens_per_second, &FinetunePoint::tokens_per_second}}};

std::string key_of(Metric metric) {
  return std::string(metric_name(metric));
}

OrderedJson value_or_null(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

std::optional<double> number_in(JsonReader& reader, const char* key) {
  const std::optional<JsonReader> value = reader.optional(key);
  return value ? std::optional(value->number()) : std::nullopt;
}

FinetunePoint parse_point(JsonReader reader) {
  FinetunePoint point;
  point.step = reader.required("step").integer({.lowest = 1});
  for (const auto& [metric, field] : term_fields) {
    point.terms.*field = reader.required(key_of(metric)).number();
  }
  for (const auto& [metric, field] : point_fields) {
    point.*field = reader.required(key_of(metric)).number();
  }
  point.validation_perplexity = number_in(reader, "validation_perplexity");
  reader.refuse_unknown_keys();
  return point;
}

}  // namespace

double LossTerms::total(const FinetuneSettings& settings) const {
  return settings.alpha * rec + settings.beta * sim + settings.gamma * reg + settings.kl * kl +
         settings.delta * task;
}

std::string to_json(const FinetuneProgress& progress) {
  OrderedJson curve = OrderedJson::array();
  for (const FinetunePoint& point : progress.curve) {
    OrderedJson line{{"step", point.step}};
    for (const auto& [metric, field] : term_fields) {
      line[key_of(metric)] = point.terms.*field;
    }
    for (const auto& [metric, field] : point_fields) {
      line[key_of(metric)] = point.*field;
    }
    if (point.validation_perplexity) {
      line["validation_perplexity"] = *point.validation_perplexity;
    }
    curve.push_back(std::move(line));
  }
  return pretty_json({{"schema_version", 1},
                      {"step", progress.step},
                      {"total_steps", progress.total_steps},
                      {"validations", progress.validations},
                      {"seconds", progress.seconds},
                      {"validation_seconds", progress.validation_seconds},
                      {"first_validation", value_or_null(progress.first_validation)},
                      {"best_validation", value_or_null(progress.best_validation)},
                      {"best_step", progress.best_step},
                      {"worse_in_a_row", progress.worse_in_a_row},
                      {"curve", curve}});
}

FinetuneProgress parse_finetune_progress(const std::string& json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader reader(document, where);
  FinetuneProgress progress;
  reader.required("schema_version").integer({.lowest = 1, .highest = 1});
  progress.step = reader.required("step").integer({.lowest = 0});
  progress.total_steps = reader.required("total_steps").integer({.lowest = 0});
  progress.validations = reader.required("validations").integer({.lowest = 1});
  progress.seconds = reader.required("seconds").number({.lowest = 0.0});
  progress.validation_seconds = reader.required("validation_seconds").number({.lowest = 0.0});
  progress.first_validation = number_in(reader, "first_validation");
  progress.best_validation = number_in(reader, "best_validation");
  progress.best_step = reader.required("best_step").integer({.lowest = 0});
  progress.worse_in_a_row = reader.required("worse_in_a_row").integer({.lowest = 0});
  for (const JsonReader& point : reader.required("curve").items()) {
    progress.curve.push_back(parse_point(point));
  }
  reader.refuse_unknown_keys();
  return progress;
}

std::map<std::string, double> metrics_of(const FinetunePoint& point) {
  std::map<std::string, double> metrics;
  const auto add = [&metrics](const std::string& name, double value) {
    if (std::isfinite(value)) {
      metrics[name] = value;
    }
  };
  for (const auto& [metric, field] : term_fields) {
    add(key_of(metric), point.terms.*field);
  }
  for (const auto& [metric, field] : point_fields) {
    add(key_of(metric), point.*field);
  }
  if (point.validation_perplexity) {
    add("validation_perplexity", *point.validation_perplexity);
  }
  return metrics;
}

}  // namespace cce
