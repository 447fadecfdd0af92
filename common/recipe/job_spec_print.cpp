#include "common/base/json_writer.h"
#include "common/recipe/job_spec.h"
#include "common/recipe/job_spec_names.h"

namespace cce {
namespace {

OrderedJson text_sources(const std::vector<TextSource>& sources) {
  OrderedJson list = OrderedJson::array();
  for (const TextSource& source : sources) {
    const std::string last = source.last ? std::to_string(*source.last) : std::string();
    list.push_back({{"path", source.path},
                    {"name", source.name},
                    {"windows", std::to_string(source.first) + ":" + last}});
  }
  return list;
}

template <typename Value>
OrderedJson value_or(const std::optional<Value>& value, const OrderedJson& otherwise) {
  return value ? OrderedJson(*value) : otherwise;
}

OrderedJson encode_section(const EncodeSettings& encode) {
  return {{"target", refit_target_name(encode.target)},
          {"refine_steps", encode.refine_steps},
          {"refine_batch_tokens", encode.refine_batch_tokens},
          {"refine_learning_rate", encode.refine_learning_rate},
          {"gradient_weighted_covariance", encode.gradient_weighted_covariance},
          {"loss_weighted_scores", encode.loss_weighted_scores},
          {"elimination_block", encode.elimination_block},
          {"token_weights", encode.token_weights},
          {"ridge_lambda", value_or(encode.ridge_lambda, "auto")},
          {"equal_budgets", encode.equal_budgets}};
}

OrderedJson finetune_section(const FinetuneSettings& finetune) {
  return {{"text", text_sources(finetune.text)},
          {"validation", text_sources(finetune.validation)},
          {"max_tokens", finetune.max_tokens},
          {"max_seconds", finetune.max_seconds},
          {"learning_rate", finetune.learning_rate},
          {"batch_tokens", finetune.batch_tokens},
          {"warmup", finetune.warmup},
          {"clip", finetune.clip},
          {"weight_decay", finetune.weight_decay},
          {"alpha", finetune.alpha},
          {"beta", finetune.beta},
          {"gamma", finetune.gamma},
          {"kl", finetune.kl},
          {"delta", finetune.delta},
          {"teacher", finetune.teacher.empty() ? OrderedJson(nullptr) : OrderedJson(finetune.teacher)},
          {"teacher_digest", finetune.teacher_digest},
          {"validate_steps", finetune.validate_steps},
          {"patience", finetune.patience},
          {"checkpoint_steps", finetune.checkpoint_steps}};
}

OrderedJson resources_section(const ResourceSettings& resources) {
  return {{"ranks", resources.ranks},
          {"threads", value_or(resources.threads, "auto")},
          {"device", resources.device},
          {"precision", resources.precision},
          {"memory", value_or(resources.memory_bytes, "auto")},
          {"nodes", resources.nodes},
          {"gpus_per_rank", resources.gpus_per_rank},
          {"partition", value_or(resources.partition, nullptr)},
          {"account", value_or(resources.account, nullptr)},
          {"qos", value_or(resources.qos, nullptr)},
          {"constraint", value_or(resources.constraint, nullptr)},
          {"modules", resources.modules},
          {"container", value_or(resources.container, nullptr)},
          {"time_limit", resources.time_limit}};
}

void add_target(const Target& target, OrderedJson& document) {
  if (target.kind == TargetKind::threshold) {
    document["threshold"] = {{"epsilon", target.epsilon}, {"tau", target.tau}};
  } else if (target.kind == TargetKind::fit_bytes) {
    document["target"] = {{"fit_bytes", static_cast<std::int64_t>(target.amount)}};
  } else {
    document["target"] = {{std::string(target_kind_name(target.kind)), target.amount}};
  }
}

template <typename Value>
OrderedJson names_of(const std::vector<Value>& values, std::string_view (*name)(Value)) {
  OrderedJson list = OrderedJson::array();
  for (const Value value : values) {
    list.push_back(name(value));
  }
  return list;
}

}  // namespace

std::string to_json(const JobSpec& spec) {
  OrderedJson document;
  document["model"] = spec.model;
  document["model_digest"] = spec.model_digest;
  document["output"] = spec.output;
  document["seed"] = spec.seed;
  document["calibration"] = {{"text", text_sources(spec.calibration.text)},
                             {"length", spec.calibration.length},
                             {"sequences", spec.calibration.sequences},
                             {"gradient_sequences", spec.calibration.gradient_sequences},
                             {"keep_statistics", spec.calibration.keep_statistics}};
  add_target(spec.target, document);
  document["structures"] =
      spec.structures.empty() ? OrderedJson("auto") : names_of(spec.structures, structure_name);
  document["similarity"] = {{"weight", spec.similarity.weight},
                            {"cluster_threshold", spec.similarity.cluster_threshold}};
  document["encode"] = encode_section(spec.encode);
  document["finetune"] = finetune_section(spec.finetune);
  document["export"] = {{"format", format_name(spec.export_settings.format)},
                        {"round_to", spec.export_settings.round_to},
                        {"dtype", spec.export_settings.dtype}};
  document["evaluate"] = {{"text", text_sources(spec.evaluate.text)},
                          {"tasks", spec.evaluate.tasks},
                          {"samples", spec.evaluate.samples}};
  document["guard"] = {{"mode", guard_mode_name(spec.guard.mode)},
                       {"perplexity_increase", spec.guard.perplexity_increase},
                       {"attention_variance_ratio", spec.guard.attention_variance_ratio},
                       {"position_drift", spec.guard.position_drift}};
  document["resources"] = resources_section(spec.resources);
  document["stages"] = names_of(spec.stages, stage_name);
  return pretty_json(document);
}

}  // namespace cce
