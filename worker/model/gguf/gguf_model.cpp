#include "worker/model/gguf/gguf_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iomanip>
#include <numbers>
#include <sstream>

#include "common/base/error.h"
#include "common/model/families/family.h"
#include "common/model/formats/shared_shapes.h"

namespace cce {
namespace {

using Role = TensorRole;

struct TensorName {
  Role role;
  const char* name;
};
constexpr std::array names_in_layers = {
    TensorName{Role::attention_norm, "attn_norm.weight"},
    TensorName{Role::q, "attn_q.weight"},
    TensorName{Role::k, "attn_k.weight"},
    TensorName{Role::v, "attn_v.weight"},
    TensorName{Role::o, "attn_output.weight"},
    TensorName{Role::q_bias, "attn_q.bias"},
    TensorName{Role::k_bias, "attn_k.bias"},
    TensorName{Role::v_bias, "attn_v.bias"},
    TensorName{Role::o_bias, "attn_output.bias"},
    TensorName{Role::q_norm, "attn_q_norm.weight"},
    TensorName{Role::k_norm, "attn_k_norm.weight"},
    TensorName{Role::ffn_norm, "ffn_norm.weight"},
    TensorName{Role::gate, "ffn_gate.weight"},
    TensorName{Role::up, "ffn_up.weight"},
    TensorName{Role::down, "ffn_down.weight"},
    TensorName{Role::gate_bias, "ffn_gate.bias"},
    TensorName{Role::up_bias, "ffn_up.bias"},
    TensorName{Role::down_bias, "ffn_down.bias"},
};
constexpr std::array names_outside = {TensorName{Role::embedding, "token_embd.weight"},
                                      TensorName{Role::final_norm, "output_norm.weight"},
                                      TensorName{Role::head, "output.weight"}};

template <std::size_t count>
const char* name_in(const std::array<TensorName, count>& names, Role role) {
  const auto found =
      std::find_if(names.begin(), names.end(), [role](const TensorName& row) { return row.role == role; });
  return found == names.end() ? nullptr : found->name;
}

/// Heads whose rows a tensor's rows are; 0 where they are not turned by pairs.
std::int64_t turned_heads(const ModelConfig& config, Role role) {
  if (!config.family->gguf_pairs_are_adjacent) return 0;
  const LayerShape& shape = config.layers.front();
  if (role == Role::q || role == Role::q_bias) return shape.query_heads();
  return role == Role::k || role == Role::k_bias ? shape.kv_groups : 0;
}

void reorder(const ModelConfig& config, Role role, std::int64_t row_bytes, std::span<std::byte> rows,
             bool to_gguf) {
  const std::int64_t heads = turned_heads(config, role), pairs = config.head_dim / 2;
  if (heads == 0) return;
  const std::vector<std::byte> before(rows.begin(), rows.end());
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t pair = 0; pair < pairs; ++pair) {
      for (std::int64_t side = 0; side < 2; ++side) {
        const std::int64_t apart = (head * 2 + side) * pairs + pair,
                           adjacent = (head * pairs + pair) * 2 + side;
        std::memcpy(rows.data() + (to_gguf ? adjacent : apart) * row_bytes,
                    before.data() + (to_gguf ? apart : adjacent) * row_bytes,
                    static_cast<std::size_t>(row_bytes));
      }
    }
  }
}

/// "134.5M": parameters with at least two digits, as llama.cpp's tools label a model.
std::string size_label(const ModelConfig& config) {
  struct Unit {
    double size;
    char letter;
  };
  static constexpr std::array units = {Unit{1e12, 'T'}, Unit{1e9, 'B'}, Unit{1e6, 'M'}, Unit{1e3, 'K'}};
  double parameters = static_cast<double>(total_parameters(config));
  for (const LayerShape& shape : config.layers) {  // gains count there
    for (const LayerPart& part : layer_parts()) {
      if (part.kind == PartKind::gain) {
        parameters += static_cast<double>(part_size(shape, config.hidden_size, part).elements());
      }
    }
  }
  parameters += static_cast<double>(config.hidden_size);
  const auto* unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return parameters > u.size; });
  unit = unit == units.end() ? units.end() - 1 : unit;
  std::ostringstream label;
  const double scaled = parameters / unit->size;
  label << std::fixed << std::setprecision(std::round(scaled) < 10.0 ? (std::round(scaled) < 1.0 ? 2 : 1) : 0)
        << scaled << unit->letter;
  return label.str();
}

std::uint32_t unsigned_of(std::int64_t value) {
  return static_cast<std::uint32_t>(value);
}

/// llama.cpp multiplies its own 1 + 0.1 ln factor by the key; transformers has the product.
double yarn_factor_of_its_own(double factor) {
  return 1.0 + 0.1 * std::log(factor);
}

void add_rope(const ModelConfig& config, const std::string& prefix, GgufMetadata& metadata) {
  const std::string scaling = prefix + "rope.scaling.";
  if (!config.ropes.front().scaling) {
  } else if (const auto* linear = std::get_if<LinearRope>(&*config.ropes.front().scaling)) {
    metadata.emplace_back(scaling + "type", std::string("linear"));
    metadata.emplace_back(scaling + "factor", static_cast<float>(linear->factor));
  } else if (const auto* yarn = std::get_if<YarnRope>(&*config.ropes.front().scaling)) {
    metadata.emplace_back(scaling + "type", std::string("yarn"));
    metadata.emplace_back(scaling + "factor", static_cast<float>(yarn->factor));
    metadata.emplace_back(scaling + "original_context_length", unsigned_of(yarn->original_max_position));
    const auto add = [&](const char* key, double value, double otherwise) {
      if (std::abs(value - otherwise) > 1e-6) metadata.emplace_back(scaling + key, static_cast<float>(value));
    };
    const YarnRope silent;
    add("yarn_beta_fast", yarn->beta_fast, silent.beta_fast);
    add("yarn_beta_slow", yarn->beta_slow, silent.beta_slow);
    add("yarn_attn_factor", yarn->attention_factor / yarn_factor_of_its_own(yarn->factor), 1.0);
  }
  metadata.emplace_back(prefix + "rope.freq_base", static_cast<float>(config.ropes.front().theta));
}

void add_shapes(const ModelConfig& config, GgufMetadata& metadata) {
  const std::string prefix = std::string(config.family->gguf_architecture) + ".";
  const LayerShape& shape = config.layers.front();
  const auto add = [&](const char* key, std::int64_t value) {
    metadata.emplace_back(prefix + key, unsigned_of(value));
  };
  add("block_count", static_cast<std::int64_t>(config.layers.size()));
  add("context_length", config.max_positions);
  add("embedding_length", config.hidden_size);
  add("feed_forward_length", shape.ffn_width);
  add("attention.head_count", shape.query_heads());
  add("attention.head_count_kv", shape.kv_groups);
  add_rope(config, prefix, metadata);
  metadata.emplace_back(prefix + "attention.layer_norm_rms_epsilon", static_cast<float>(config.rms_epsilon));
  add("attention.key_length", config.head_dim);
  add("attention.value_length", config.head_dim);
  if (config.family->gguf_pairs_are_adjacent) {
    add("vocab_size", config.vocabulary_size);
    add("rope.dimension_count", config.head_dim);
  }
}

void add_vocabulary(const GgufVocabulary& vocabulary, GgufMetadata& metadata) {
  const auto add = [&](const std::string& key, GgufValue value) {
    metadata.emplace_back("tokenizer." + key, std::move(value));
  };
  add("ggml.model", vocabulary.model);
  add("ggml.pre", vocabulary.pre);
  add("ggml.tokens", vocabulary.tokens);
  add("ggml.token_type", vocabulary.types);
  add("ggml.merges", vocabulary.merges);
  for (const auto& [key, id] : vocabulary.special_ids) add("ggml." + key, id);
  for (const auto& [key, is_set] : vocabulary.flags) add("ggml." + key, is_set);
  if (vocabulary.chat_template) add("chat_template", *vocabulary.chat_template);
}

void read_rope(const GgufContents& contents, const std::string& prefix, ModelConfig& config) {
  config.ropes.front().theta = contents.number(prefix + "rope.freq_base");
  const std::string scaling = prefix + "rope.scaling.";
  if (contents.tensors.contains(gguf_rope_factors)) {
    const GgufContents::Entry& entry = contents.tensor(gguf_rope_factors);
    std::vector<float> factors(entry.bytes.size() / sizeof(float));
    std::memcpy(factors.data(), entry.bytes.data(), entry.bytes.size());
    const std::vector<double> wide(factors.begin(), factors.end());
    config.ropes.front().scaling = LongRope{.short_factor = wide,
                                            .long_factor = wide,
                                            .attention_factor = 1.0,
                                            .original_max_position = config.max_positions};
  } else if (contents.metadata.contains(scaling + "type")) {
    const double factor = contents.number(scaling + "factor");
    if (contents.text(scaling + "type") == "linear") {
      config.ropes.front().scaling = LinearRope{.factor = factor};
      return;
    }
    const auto number_or = [&](const char* key, double otherwise) {
      return contents.metadata.contains(scaling + key) ? contents.number(scaling + key) : otherwise;
    };
    YarnRope yarn{.factor = factor};
    yarn.attention_factor = number_or("yarn_attn_factor", 1.0) * yarn_factor_of_its_own(factor);
    yarn.beta_fast = number_or("yarn_beta_fast", yarn.beta_fast);
    yarn.beta_slow = number_or("yarn_beta_slow", yarn.beta_slow);
    yarn.original_max_position = contents.integer(scaling + "original_context_length");
    config.ropes.front().scaling = yarn;
  }
}

const Family& family_of(const std::string& architecture) {
  for (const Family* family : families()) {
    if (!family->gguf_architecture.empty() && family->gguf_architecture == architecture) return *family;
  }
  throw Error{.code = ErrorCode::unsupported,
              .where = "GGUF metadata: general.architecture",
              .found = architecture,
              .expected = "one that this program writes",
              .remedy = "Give the Hugging Face folder that the file was made from"};
}

}  // namespace

std::string gguf_tensor_name(TensorRole role, std::int64_t layer) {
  if (const char* outside = name_in(names_outside, role)) return outside;
  if (const char* inside = name_in(names_in_layers, role))
    return "blk." + std::to_string(layer) + "." + inside;
  throw Error{.code = ErrorCode::unsupported,
              .where = "GGUF tensors",
              .found = "a " + role_name(role) + " in the layers",
              .expected = "parts that llama.cpp has a name for",
              .remedy = choose_plain_format()};
}

GgufType gguf_type(PartKind kind, DType dtype) {
  if (kind != PartKind::matrix || dtype == DType::f32) return GgufType::f32;
  return dtype == DType::f16 ? GgufType::f16 : GgufType::bf16;
}

void order_rows_for_gguf(const ModelConfig& config, TensorRole role, std::int64_t row_bytes,
                         std::span<std::byte> rows) {
  reorder(config, role, row_bytes, rows, true);
}

void order_rows_from_gguf(const ModelConfig& config, TensorRole role, std::int64_t row_bytes,
                          std::span<std::byte> rows) {
  reorder(config, role, row_bytes, rows, false);
}

std::vector<float> gguf_rope_factors_of(const ModelConfig& config) {
  const auto* llama3 =
      config.ropes.front().scaling ? std::get_if<Llama3Rope>(&*config.ropes.front().scaling) : nullptr;
  if (llama3 == nullptr) return {};
  const double original = static_cast<double>(llama3->original_max_position);
  std::vector<float> factors;
  for (std::int64_t pair = 0; pair < config.head_dim / 2; ++pair) {
    const double exponent = static_cast<double>(2 * pair) / static_cast<double>(config.head_dim);
    const double wavelength = 2.0 * std::numbers::pi * std::pow(config.ropes.front().theta, exponent);
    const double smooth = (original / wavelength - llama3->low_freq_factor) /
                          (llama3->high_freq_factor - llama3->low_freq_factor);
    const double between = 1.0 / ((1.0 - smooth) / llama3->factor + smooth);
    factors.push_back(static_cast<float>(wavelength < original / llama3->high_freq_factor  ? 1.0
                                         : wavelength > original / llama3->low_freq_factor ? llama3->factor
                                                                                           : between));
  }
  return factors;
}

GgufMetadata gguf_metadata(const ModelConfig& written, const GgufVocabulary& vocabulary,
                           const std::string& name, DType dtype) {
  constexpr std::uint32_t all_f32 = 0, mostly_f16 = 1, mostly_bf16 = 32, quantisation_version = 2;
  GgufMetadata metadata = {{"general.architecture", std::string(written.family->gguf_architecture)},
                           {"general.type", std::string("model")},
                           {"general.name", name},
                           {"general.size_label", size_label(written)}};
  add_shapes(written, metadata);
  metadata.emplace_back("general.file_type", dtype == DType::f32   ? all_f32
                                             : dtype == DType::f16 ? mostly_f16
                                                                   : mostly_bf16);
  metadata.emplace_back("general.quantization_version", quantisation_version);
  add_vocabulary(vocabulary, metadata);
  if (written.family->gguf_pairs_are_adjacent && vocabulary.add_space_prefix) {
    metadata.emplace_back("tokenizer.ggml.add_space_prefix", *vocabulary.add_space_prefix);
  }
  return metadata;
}

ModelConfig gguf_config(const GgufContents& contents) {
  ModelConfig config;
  config.family = &family_of(contents.text("general.architecture"));
  config.architecture = config.family->class_name;
  const std::string prefix = std::string(config.family->gguf_architecture) + ".";
  const auto integer = [&](const char* key) { return contents.integer(prefix + key); };
  config.hidden_size = integer("embedding_length");
  config.max_positions = integer("context_length");
  config.head_dim = integer("attention.key_length");
  config.rms_epsilon = contents.number(prefix + "attention.layer_norm_rms_epsilon");
  config.vocabulary_size = contents.tensor(gguf_tensor_name(Role::embedding, -1)).tensor.shape.front();
  config.tied_embeddings = !contents.tensors.contains(gguf_tensor_name(Role::head, -1));
  read_rope(contents, prefix, config);
  LayerShape shape;
  shape.kv_groups = integer("attention.head_count_kv");
  shape.queries_per_group = integer("attention.head_count") / shape.kv_groups;
  shape.qk_dim = shape.vo_dim = config.head_dim;
  shape.ffn_width = integer("feed_forward_length");
  for (const LayerPart& part : layer_parts()) {
    if (part.is_there != nullptr && name_in(names_in_layers, part.role) != nullptr) {
      shape.*part.is_there = contents.tensors.contains(gguf_tensor_name(part.role, 0));
    }
  }
  config.layers.assign(static_cast<std::size_t>(integer("block_count")), shape);
  return config;
}

}  // namespace cce
