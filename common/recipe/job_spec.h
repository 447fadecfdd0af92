#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/json_reader.h"
#include "common/recipe/job_kind.h"

namespace cce {

/// A text and the windows of it that are used.
struct TextSource {
  std::string path;
  std::string name;        ///< for tables; default: the file's stem
  std::int64_t first = 0;  ///< windows [first, last) as in Python: negative counts from the end
  std::optional<std::int64_t> last;
  std::string text_key = {};  ///< of a record that holds the text; empty: text, then content, then a chat
};

enum class Structure { ffn, vo, qk, kv_groups, blocks, layers };
enum class ExportFormat;  // common/model/formats/formats.def
enum class RefitTarget { none, random, local, error_aware };
enum class GuardMode { warn, stop };
enum class BeginTokens { automatic, never, always };
enum class TargetKind { remove_params, remove_flops, fit_bytes, threshold };

struct Target {
  TargetKind kind = TargetKind::remove_params;
  double amount = 0.3;    ///< fraction, or bytes for fit_bytes
  double epsilon = 0.05;  ///< threshold mode: relative eigenvalue of the centred covariance
  double tau = 0.7;       ///< threshold mode: relative singular value of the loss-weighted map
};

struct CalibrationSettings {
  std::vector<TextSource> text;
  std::int64_t length = 1024;
  std::int64_t sequences = 64;
  std::int64_t gradient_sequences = 16;
  BeginTokens bos = BeginTokens::automatic;  ///< before each window, of every text of the job
  bool keep_statistics = false;              ///< in the job's folder, for jobs that start from them
};

struct SimilaritySettings {
  double weight = 0.0;  ///< κ
  double cluster_threshold = 0.8;
};

struct EncodeSettings {
  RefitTarget target = RefitTarget::error_aware;
  std::int64_t refine_steps = 0;             ///< AdamW steps on each sub-block after its ridge
  std::int64_t refine_batch_tokens = 4096;   ///< calibration tokens of one such step
  double refine_learning_rate = 5e-4;        ///< at the first step; falls to 0 as a cosine
  bool gradient_weighted_covariance = true;  ///< ablation: C weighted by ‖g‖²
  bool loss_weighted_scores = true;          ///< ablation: W̃ = W S_g^½ in the elimination's scores
  std::int64_t elimination_block = 16;       ///< b
  bool token_weights = true;                 ///< ablation: ω_t = 1/‖h_t‖²
  std::optional<double> ridge_lambda;        ///< absent: chosen on the held-out eighth
  bool equal_budgets = false;  ///< ablation: the same fraction everywhere instead of water-filling
};

struct ExportSettings {
  ExportFormat format{};  ///< the first of the list unless it is named
  std::int64_t round_to = 64;
  std::string dtype = "bf16";  ///< bf16, f16 or f32
};

/// docs/method.md 3.5. Absent budgets mean no fine-tuning; both set: whichever is reached first.
struct FinetuneSettings {
  std::vector<TextSource> text;                  ///< windows of calibration.length tokens
  std::vector<TextSource> validation;            ///< empty: no early stop
  std::int64_t max_tokens = 0;                   ///< 0: no limit
  double max_seconds = 0.0;                      ///< 0: no limit
  double learning_rate = 2e-4;                   ///< at the end of the warm-up
  std::int64_t batch_tokens = 8192;              ///< of one step, over all ranks
  double warmup = 0.05;                          ///< fraction of the steps
  double clip = 1.0;                             ///< largest global norm of a gradient; 0: not clipped
  double weight_decay = 0.01;                    ///< of matrices, per step and unit of learning rate
  double alpha = 1.0, beta = 0.1, gamma = 0.01;  ///< L_rec, L_sim, L_reg
  double kl = 1.0;                               ///< KL(teacher ‖ student)
  double delta = 0.0;                            ///< next-token loss on the text itself
  std::string teacher;                           ///< a checkpoint's folder; empty: the job's own model
  std::string teacher_digest;                    ///< of its files' contents
  std::int64_t validate_steps = 0;               ///< steps between validations; 0: an eighth of all
  std::int64_t patience = 3;                     ///< validations without a better one until it stops
  std::int64_t checkpoint_steps = 25;            ///< steps between checkpoints

  bool asked_for() const { return max_tokens > 0 || max_seconds > 0.0; }
};

struct EvaluateSettings {
  std::vector<TextSource> text;
  std::int64_t samples = 2;
};

struct GuardSettings {
  GuardMode mode = GuardMode::warn;
  double perplexity_increase = 0.2;
  double attention_variance_ratio = 0.5;
  double position_drift = 0.1;
};

struct ResourceSettings {
  std::int64_t ranks = 2;
  std::optional<std::int64_t> threads;  ///< absent: cores / ranks
  std::string device = "auto";
  std::string precision = "auto";  ///< of matrix products: bf16, f32, tf32 (f32 on a GPU, multiplied with
                                   ///< ten bits), or bf16 where the device is fast at it
  std::optional<std::int64_t> memory_bytes;  ///< per rank; absent: what the machine has
  std::int64_t nodes = 1;
  std::int64_t gpus_per_rank = 1;
  std::optional<std::string> partition, account, qos, constraint;
  std::vector<std::string> modules;      ///< environment modules that a batch script loads
  std::optional<std::string> container;  ///< image that has cce-worker
  std::string time_limit = "2h";
};

/// A resolved job: every default filled in. JOB/spec.json holds exactly this.
struct JobSpec {
  std::string model;         ///< the checkpoint's folder
  std::string model_digest;  ///< of its files' contents: what a resume compares
  std::string output;
  std::string from;  ///< folder of the job whose statistics this one starts from
  std::int64_t seed = 0;
  CalibrationSettings calibration;
  Target target;
  std::vector<Structure> structures;  ///< empty: those that suit the format ("auto", format_rules.h)
  SimilaritySettings similarity;
  EncodeSettings encode;
  FinetuneSettings finetune;
  ExportSettings export_settings;
  EvaluateSettings evaluate;
  GuardSettings guard;
  ResourceSettings resources;
  JobKind kind = JobKind::compress;  ///< decides what it does: stages_of(spec)
};

/// Reads a job from its JSON: the keys of recipe_keys.h with defaults for what is absent. Refuses unknown
/// keys, wrong types, values out of range, with key path, what was found, what is allowed and the nearest
/// known name.
JobSpec parse_job_spec(const std::string& json_text, const std::string& where);
JobSpec parse_job_spec(const Json& document, const std::string& where);

/// The same JSON back, every key present, stable order, two-space indent, final newline.
std::string to_json(const JobSpec& spec);

/// Ranks that share the fullest node: ceil(ranks / nodes).
std::int64_t ranks_per_node(const ResourceSettings& resources);

std::string_view structure_name(Structure structure);
std::string_view format_name(ExportFormat format);

}  // namespace cce
