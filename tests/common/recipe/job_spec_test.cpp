#include "common/recipe/job_spec.h"
#include "common/job/job_checks.h"

#include <gmock/gmock.h>

#include "common/base/json_reader.h"
#include "common/model/format_rules.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

JobSpec parse(const Json& recipe) {
  return parse_job_spec(recipe.dump(), "recipe.yaml");
}

Json full_recipe() {
  return parse_json(R"({
    "model": "./models/smollm2-135m", "output": "./out", "seed": 7,
    "calibration": {"text": [{"path": "wiki.txt", "name": "wiki", "windows": "0:32", "text_key": "body"},
                             "texts/books.txt"],
                    "length": 512, "sequences": 40, "gradient_sequences": 10, "bos": "always",
                    "keep_statistics": true},
    "target": {"remove_flops": 0.25},
    "structures": ["vo", "ffn"],
    "similarity": {"weight": 0.5, "cluster_threshold": 0.9},
    "encode": {"target": "local", "refine_steps": 3, "ridge_lambda": 0.01, "equal_budgets": true,
               "gradient_weighted_covariance": false, "loss_weighted_scores": false, "elimination_block": 4,
               "token_weights": false},
    "export": {"format": "custom", "round_to": 32, "dtype": "f16"},
    "finetune": {"max_tokens": 0, "learning_rate": 2e-4},
    "evaluate": {"text": [{"path": "wiki.txt", "windows": "-48:"}], "samples": 0},
    "guard": {"mode": "stop", "perplexity_increase": 0.3, "attention_variance_ratio": 0.4, "position_drift": 0.2},
    "resources": {"ranks": 4, "threads": 2, "device": "cpu", "precision": "f32", "memory": "2GiB", "nodes": 2, "gpus_per_rank": 0,
                  "partition": "short", "account": null, "constraint": "amx&ib", "modules": ["gcc/12", "openmpi"],
                  "container": "/images/cce.sif", "time_limit": "30m"},
    "stages": ["analyze", "calibrate"]})",
                    "recipe");
}

TEST(JobSpecTest, a_minimal_recipe_gets_the_defaults) {
  const JobSpec spec = parse({{"model", "m"}});
  EXPECT_EQ(spec.calibration.length, 1024);
  EXPECT_EQ(spec.calibration.sequences, 64);
  EXPECT_EQ(spec.calibration.gradient_sequences, 16);
  EXPECT_FALSE(spec.calibration.keep_statistics);
  EXPECT_EQ(spec.target.kind, TargetKind::remove_params);
  EXPECT_DOUBLE_EQ(spec.target.amount, 0.3);
  EXPECT_TRUE(spec.structures.empty());
  EXPECT_EQ(spec.export_settings.format, ExportFormat::uniform);
  EXPECT_EQ(spec.export_settings.dtype, "bf16");
  EXPECT_EQ(spec.encode.target, RefitTarget::error_aware);
  EXPECT_EQ(spec.resources.threads, std::nullopt);
  EXPECT_EQ(spec.kind, JobKind::compress);
}

TEST(JobSpecTest, reads_every_key) {
  const JobSpec spec = parse(full_recipe());
  EXPECT_EQ(spec.seed, 7);
  ASSERT_EQ(spec.calibration.text.size(), 2U);
  EXPECT_EQ(spec.calibration.text[0].last, 32);
  EXPECT_EQ(spec.calibration.text[1].name, "books");
  EXPECT_EQ(spec.calibration.text[1].path, "texts/books.txt");
  EXPECT_EQ(spec.target.kind, TargetKind::remove_flops);
  EXPECT_EQ(spec.structures, (std::vector<Structure>{Structure::ffn, Structure::vo}));
  EXPECT_EQ(spec.encode.target, RefitTarget::local);
  EXPECT_EQ(spec.encode.ridge_lambda, 0.01);
  EXPECT_FALSE(spec.encode.token_weights);
  EXPECT_EQ(spec.evaluate.text[0].first, -48);
  EXPECT_EQ(spec.evaluate.text[0].last, std::nullopt);
  EXPECT_EQ(spec.guard.mode, GuardMode::stop);
  EXPECT_EQ(spec.resources.memory_bytes, 1LL << 31);
  EXPECT_EQ(spec.resources.precision, "f32");
  EXPECT_EQ(spec.resources.partition, "short");
  EXPECT_EQ(spec.resources.account, std::nullopt);
  EXPECT_EQ(spec.resources.constraint, "amx&ib");
  EXPECT_THAT(spec.resources.modules, ::testing::ElementsAre("gcc/12", "openmpi"));
  EXPECT_EQ(spec.resources.container, "/images/cce.sif");
  EXPECT_EQ(spec.kind, JobKind::analyze) << "of the stages that a job without a kind lists";
}

/// As the versions before `kind` wrote it.
TEST(JobSpecTest, reads_spec_files_without_a_kind) {
  for (const JobKindRow& row : job_kinds()) {
    Json document = parse_json(to_json(parse({{"model", "m"}})), "spec");
    document.erase("kind");
    document["evaluate"]["tasks"] = Json::array();
    document["stages"] = Json::array();
    document["finetune"]["max_tokens"] = 8192;
    for (const Stage stage : row.stages) {
      document["stages"].push_back(stage_name(stage));
    }
    const JobSpec spec = parse(document);
    EXPECT_EQ(stages_of(spec), row.stages) << row.name;
    EXPECT_EQ(spec.kind, row.kind == JobKind::plan ? JobKind::compress : row.kind);
  }
}

TEST(JobSpecTest, the_resolved_text_is_a_fixed_point) {
  Json threshold = {{"model", "m"}, {"threshold", {{"epsilon", 0.1}}}};
  Json bytes = {{"model", "m"}, {"target", {{"fit_bytes", "100MB"}}}};
  for (const Json& recipe : {full_recipe(), Json{{"model", "m"}}, threshold, bytes}) {
    const std::string text = to_json(parse(recipe));
    EXPECT_EQ(to_json(parse_job_spec(text, "spec.json")), text);
    EXPECT_EQ(text.back(), '\n');
  }
}

struct WindowsRow {
  const char* text;
  std::int64_t first;
  std::optional<std::int64_t> last;
};

TEST(JobSpecTest, windows_as_in_python) {
  const WindowsRow rows[] = {{"0:32", 0, 32},        {"-48:", -48, std::nullopt}, {":16", 0, 16},
                             {":", 0, std::nullopt}, {"-8:-2", -8, -2},           {"4:-1", 4, -1}};
  for (const WindowsRow& row : rows) {
    const JobSpec spec =
        parse({{"model", "m"}, {"evaluate", {{"text", {{{"path", "a.txt"}, {"windows", row.text}}}}}}});
    EXPECT_EQ(spec.evaluate.text[0].first, row.first) << row.text;
    EXPECT_EQ(spec.evaluate.text[0].last, row.last) << row.text;
  }
  for (const char* text :
       {"", "3", "a:b", "1:2:3", "5:5", "9:3", "-2:-4", "--1:", "0: 3", "99999999999999:"}) {
    EXPECT_THROW(parse({{"model", "m"}, {"evaluate", {{"text", {{{"path", "a"}, {"windows", text}}}}}}}),
                 Error)
        << text;
  }
}

struct RefusedRow {
  const char* name;
  const char* pointer;
  Json value;
  ErrorCode code;
  const char* message;
};

TEST(JobSpecTest, recipes_that_are_refused) {
  const RefusedRow rows[] = {
      {"unknown_section", "/calibraton", 1, ErrorCode::unknown_key, "Did you mean 'calibration'?"},
      {"unknown_key", "/encode/refine_step", 1, ErrorCode::unknown_key,
       "recipe.yaml: encode.refine_step: found the key 'refine_step'"},
      {"unknown_in_list", "/calibration/text/0/windos", "0:1", ErrorCode::unknown_key,
       "calibration.text[0].windos"},
      {"path_type", "/calibration/text/0/path", 3, ErrorCode::wrong_type, "calibration.text[0].path"},
      {"text_type", "/calibration/text/1", 3, ErrorCode::wrong_type, "calibration.text[1]"},
      {"same_names", "/calibration/text/0/name", "books", ErrorCode::out_of_range, "already used"},
      {"no_model", "/model", nullptr, ErrorCode::wrong_type, "model: found nothing"},
      {"empty_model", "/model", "", ErrorCode::out_of_range, "not empty"},
      {"seed", "/seed", -1, ErrorCode::out_of_range, "seed"},
      {"length", "/calibration/length", 1, ErrorCode::out_of_range, "calibration.length"},
      {"gradients", "/calibration/gradient_sequences", 41, ErrorCode::out_of_range, "between 1 and 40"},
      {"two_targets", "/target/remove_params", 0.1, ErrorCode::impossible_combination, "exactly one"},
      {"target_range", "/target/remove_flops", 1.0, ErrorCode::out_of_range, "target.remove_flops"},
      {"target_and_threshold", "/threshold", Json::object(), ErrorCode::impossible_combination, "Remove one"},
      {"structure", "/structures/0", "fnn", ErrorCode::out_of_range, "Did you mean 'ffn'?"},
      {"structure_twice", "/structures/0", "ffn", ErrorCode::out_of_range, "each name once"},
      {"structures_empty", "/structures", Json::array(), ErrorCode::out_of_range, "auto"},
      {"format", "/export/format", "unifrom", ErrorCode::out_of_range, "Did you mean 'uniform'?"},
      {"dtype", "/export/dtype", "int8", ErrorCode::out_of_range, "bf16, f16, f32"},
      {"finetune_rate", "/finetune/learning_rate", 0, ErrorCode::out_of_range, "finetune.learning_rate"},
      {"finetune_weight", "/finetune/kl", -1, ErrorCode::out_of_range, "finetune.kl"},
      {"validation", "/finetune/validation", 5, ErrorCode::wrong_type, "finetune.validation"},
      {"finetune_key", "/finetune/max_token", 5, ErrorCode::unknown_key, "max_tokens"},
      {"threads", "/resources/threads", 0, ErrorCode::out_of_range, "resources.threads"},
      {"threads_text", "/resources/threads", "all", ErrorCode::wrong_type, "resources.threads"},
      {"memory", "/resources/memory", "much", ErrorCode::wrong_type, "resources.memory"},
      {"time", "/resources/time_limit", "soon", ErrorCode::wrong_type, "resources.time_limit"},
      {"device", "/resources/device", "gpu", ErrorCode::out_of_range, "auto, cpu, cuda"},
      {"precision", "/resources/precision", "fp32", ErrorCode::out_of_range, "Did you mean 'f32'?"},
      {"section_type", "/guard", 3, ErrorCode::wrong_type, "guard"},
      {"stage", "/stages/0", "enocde", ErrorCode::out_of_range, "Did you mean 'encode'?"},
      {"stages_of_no_kind", "/stages/0", "encode", ErrorCode::impossible_combination, "kind compress"},
      {"kind", "/kind", "evalute", ErrorCode::out_of_range, "Did you mean 'evaluate'?"},
      {"kind_of_other_stages", "/kind", "evaluate", ErrorCode::impossible_combination, "evaluate"},
      {"tasks", "/evaluate/tasks", {"piqa.jsonl"}, ErrorCode::unknown_key, "one of samples, text"},
      {"format_that_is_not_there", "/export/format", "deci", ErrorCode::out_of_range,
       "one of uniform, custom"},
      {"lambda", "/encode/ridge_lambda", 0, ErrorCode::out_of_range, "encode.ridge_lambda"},
  };
  for (const RefusedRow& row : rows) {
    SCOPED_TRACE(row.name);
    Json recipe = full_recipe();
    recipe[Json::json_pointer(row.pointer)] = row.value;
    expect_error([&] { parse(recipe); }, row.code, row.message);
  }
}

/// The full recipe less the keys that only parse.
JobSpec supported_spec() {
  JobSpec spec = parse(full_recipe());
  spec.encode.refine_steps = 0;
  return spec;
}

TEST(JobSpecTest, structures_must_fit_the_format) {
  JobSpec spec = supported_spec();
  EXPECT_NO_THROW(check_combinations(spec));
  spec.export_settings.format = ExportFormat::uniform;
  expect_error([&] { check_combinations(spec); }, ErrorCode::impossible_combination,
               "structures, export.format=uniform: found vo, expected some of ffn, kv_groups, layers");
  spec.structures.clear();
  EXPECT_NO_THROW(check_combinations(spec));
}

TEST(JobSpecTest, ten_bit_products_need_a_gpu) {
  JobSpec spec = supported_spec();
  spec.resources.precision = "tf32";
  expect_error([&] { check_combinations(spec); }, ErrorCode::impossible_combination,
               "resources.precision, resources.device=cpu: found tf32");
  spec.resources.device = "cuda";
  EXPECT_NO_THROW(check_combinations(spec));
}

TEST(JobSpecTest, the_threshold_rule_drops_no_whole_parts) {
  JobSpec spec = supported_spec();
  spec.target.kind = TargetKind::threshold;
  EXPECT_NO_THROW(check_combinations(spec));
  spec.structures.push_back(Structure::layers);
  expect_error([&] { check_combinations(spec); }, ErrorCode::impossible_combination,
               "structures, target.threshold: found layers");
}

TEST(JobSpecTest, fine_tuning_runs_where_a_budget_asks_for_it) {
  EXPECT_FALSE(parse({{"model", "m"}}).finetune.asked_for());
  for (const char* key : {"max_tokens", "max_seconds"}) {
    const JobSpec spec = parse({{"model", "m"}, {"finetune", {{key, 5000}, {"text", "books.txt"}}}});
    EXPECT_TRUE(spec.finetune.asked_for()) << key;
    const std::vector<Stage> stages = stages_of(spec);
    ASSERT_EQ(stages.size(), 7U) << key;
    EXPECT_EQ(stages[4], Stage::finetune) << key;
    EXPECT_NO_THROW(check_combinations(spec)) << key;
  }
}

struct TrainingRow {
  const char* name;
  void (*change)(JobSpec&);
  const char* key;
};

const TrainingRow training_rows[] = {
    {"no_text", [](JobSpec& s) { s.finetune.text.clear(); }, "finetune.text"},
    {"small_batch", [](JobSpec& s) { s.finetune.batch_tokens = 1000; }, "finetune.batch_tokens"},
    {"many_ranks", [](JobSpec& s) { s.resources.ranks = 9; }, "resources.ranks"},
    {"no_term",
     [](JobSpec& s) { s.finetune.alpha = s.finetune.beta = s.finetune.gamma = s.finetune.kl = 0.0; },
     "finetune"},
    {"refined_local",
     [](JobSpec& s) {
       s.encode.refine_steps = 5;
       s.encode.target = RefitTarget::local;
     },
     "encode.refine_steps"},
};

TEST(JobSpecTest, training_that_cannot_be_is_refused_by_key) {
  for (const TrainingRow& row : training_rows) {
    JobSpec spec = parse({{"model", "m"}, {"finetune", {{"max_tokens", 50000}, {"text", "books.txt"}}}});
    row.change(spec);
    try {
      check_combinations(spec);
      ADD_FAILURE() << row.name << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::impossible_combination) << row.name;
      EXPECT_EQ(error.where, row.key);
    }
  }
}

TEST(JobSpecTest, the_fullest_node_has_the_rounded_up_share) {
  ResourceSettings resources;
  for (const auto& [ranks, nodes, expected] :
       {std::array<std::int64_t, 3>{5, 2, 3}, {4, 2, 2}, {1, 1, 1}, {3, 5, 1}}) {
    resources.ranks = ranks;
    resources.nodes = nodes;
    EXPECT_EQ(ranks_per_node(resources), expected);
  }
}

struct UnsupportedRow {
  const char* name;
  void (*change)(JobSpec&);
  const char* key;
};

const UnsupportedRow unsupported_rows[] = {
    {"gpus", [](JobSpec& s) { s.resources.gpus_per_rank = 2; }, "resources.gpus_per_rank"},
};

TEST(JobSpecTest, what_this_version_does_not_do_is_refused_by_key) {
  for (const UnsupportedRow& row : unsupported_rows) {
    JobSpec spec = parse({{"model", "m"}});
    EXPECT_NO_THROW(check_combinations(spec)) << row.name;
    row.change(spec);
    try {
      check_combinations(spec);
      ADD_FAILURE() << row.name << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::unsupported) << row.name;
      EXPECT_EQ(error.where, row.key);
    }
  }
}

}  // namespace
}  // namespace cce
