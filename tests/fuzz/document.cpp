#include "tests/fuzz/document.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "common/base/error.h"
#include "common/base/file.h"
#include "common/job/job_checks.h"
#include "common/job/job_event.h"
#include "common/job/partition.h"
#include "common/model/compression_plan.h"
#include "common/model/model_config.h"
#include "common/model/safetensors_header.h"
#include "common/recipe/job_spec.h"
#include "coordinator/client/client_sse.h"
#include "coordinator/recipe/recipe.h"
#include "coordinator/scheduler/slurm_output.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

constexpr const char* source = "document";

void check(bool kept, const std::string& promise) {
  if (!kept) {
    throw std::logic_error(promise);
  }
}

/// What was accepted is written and accepted again, as the same.
template <typename Parse, typename Write>
void check_round_trip(std::string_view bytes, const Parse& parse, const Write& write) {
  const std::string once = write(parse(std::string(bytes)));
  std::string twice;
  try {
    twice = write(parse(once));
  } catch (const Error& error) {
    throw std::logic_error("its own writing is refused: " + describe(error) + "\n" + once);
  }
  check(once == twice, "written again it differs:\n" + once + "\n" + twice);
}

void read_safetensors(std::string_view bytes) {
  const auto file = std::as_bytes(std::span(bytes.data(), bytes.size()));
  const SafetensorsHeader header = parse_safetensors_header(file, source);
  std::int64_t at = 0;
  for (const TensorEntry& tensor : header.tensors) {
    check(tensor.begin == at && tensor.end >= at, "tensors lie one after another: " + tensor.name);
    at = tensor.end;
    check(header.find(tensor.name) != nullptr, "a tensor is found by its name: " + tensor.name);
  }
  check(header.data_offset + at == static_cast<std::int64_t>(bytes.size()), "tensors cover the file");
}

void read_config(std::string_view bytes) {
  const ModelConfig config = parse_model_config(std::string(bytes), source);
  check(block_parameters(config) >= 0 && total_parameters(config) >= block_parameters(config),
        "counts of parameters fit in their type");
}

void read_recipe_text(std::string_view bytes) {
  Json recipe = parse_yaml(bytes, source);
  anchor_paths(recipe, "/folder");
  JobSpec spec = parse_job_spec(recipe_text(recipe), source);
  spec.kind = JobKind::compress;
  check_combinations(spec);
  // The recipe that lies beside a result makes the same job again.
  JobSpec again;
  try {
    again = parse_job_spec(recipe_text(parse_yaml(recipe_yaml(spec), source)), source);
  } catch (const Error& error) {
    throw std::logic_error("its own recipe is refused: " + describe(error) + "\n" + recipe_yaml(spec));
  }
  again.model_digest = spec.model_digest;
  again.finetune.teacher_digest = spec.finetune.teacher_digest;
  check(to_json(again) == to_json(spec), "its own recipe says something else:\n" + recipe_yaml(spec));
}

void read_tokenizer(std::string_view bytes) {
  const Tokenizer tokenizer = Tokenizer::parse(bytes, source);
  const std::string text =
      "Once upon a time, 12 caf\xC3\xA9s \xE2\x80\x94 don't!\n\t \xF0\x9F\x98\x80 <unk> the end";
  const std::vector<std::int32_t> ids = tokenizer.encode(text);
  for (const std::int32_t id : ids) {
    check(id >= 0 && id < tokenizer.vocabulary_size(), "ids lie in the vocabulary");
    static_cast<void>(tokenizer.decode(std::span(&id, 1)));
  }
  std::vector<std::int32_t> in_parts;
  const std::unique_ptr<TokenStream> stream = tokenizer.stream();
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) ++end;
    stream->push(std::string_view(text).substr(begin, end - begin), end == text.size(), in_parts);
    begin = end;
  }
  check(in_parts == ids, "a text in parts has the ids of the whole");
}

void read_slurm(std::string_view bytes) {
  const std::string text(bytes);
  const std::size_t end = text.find('\n');
  const std::string first = text.substr(0, end);
  const std::string rest = end == std::string::npos ? "" : text.substr(end + 1);
  if (first == "sbatch") {
    check(is_job_number(parse_submitted(rest)), "a job's id is a number");
  } else if (first == "squeue") {
    for (const SlurmQueueEntry& entry : parse_queue(rest)) {
      static_cast<void>(phase_of_state(entry.state, source));
    }
  } else {
    static_cast<void>(phase_of_state(parse_job_record(rest).state, source));
  }
}

using Events = std::vector<std::tuple<std::string, std::string, std::string>>;

Events events_of(std::string_view bytes, std::size_t part) {
  Events events;
  SseParser parser([&](const SseEvent& event) { events.emplace_back(event.id, event.name, event.data); });
  for (std::size_t at = 0; at < bytes.size(); at += part) {
    parser.add(bytes.substr(at, part));
  }
  return events;
}

void read_sse(std::string_view bytes) {
  const Events whole = events_of(bytes, std::max<std::size_t>(1, bytes.size()));
  check(events_of(bytes, 1) == whole && events_of(bytes, 3) == whole, "parts of any size give the same");
}

ModelConfig small_model() {
  const PosixFileSystem files;
  const std::filesystem::path folder = std::filesystem::path(CCE_TESTS_DIR) / "data/models/llama3_gqa";
  return parse_model_config(files.read_text(folder / "config.json", 1 << 20), "llama3_gqa");
}

void read_plan(const ModelConfig& model, std::string_view bytes) {
  check_round_trip(
      bytes, [](const std::string& text) { return parse_compression_plan(text, source); },
      [](const CompressionPlan& plan) { return to_json(plan); });
  const CompressionPlan plan = parse_compression_plan(std::string(bytes), source);
  check(block_parameters(apply_plan(model, plan)) <= block_parameters(model), "a plan adds nothing");
}

}  // namespace

std::vector<DocumentFormat> document_formats() {
  const ModelConfig model = small_model();
  return {
      {"safetensors", read_safetensors},
      {"shards", [](std::string_view bytes) { parse_shard_index(std::string(bytes), source); }},
      {"config", read_config},
      {"tokenizer", read_tokenizer},
      {"recipe", read_recipe_text},
      {"spec",
       [](std::string_view bytes) {
         check_round_trip(
             bytes, [](const std::string& text) { return parse_job_spec(text, source); },
             [](const JobSpec& spec) { return to_json(spec); });
       }},
      {"partition",
       [](std::string_view bytes) {
         check_round_trip(
             bytes, [](const std::string& text) { return parse_partition(text, source); },
             [](const Partition& partition) { return to_json(partition); });
       }},
      {"plan", [model](std::string_view bytes) { read_plan(model, bytes); }},
      {"event",
       [](std::string_view bytes) {
         check_round_trip(
             bytes, [](const std::string& text) { return parse_job_event(text, source); },
             [](const JobEvent& event) { return to_json_line(event); });
       }},
      {"slurm", read_slurm},
      {"sse", read_sse},
  };
}

bool read_document(const DocumentFormat& format, std::string_view bytes) {
  try {
    format.read(bytes);
    return true;
  } catch (const Error& error) {
    check(!error.where.empty(), "a refusal names its place: " + describe(error));
    check(exit_code(error.code) == 2, "a refusal is the input's fault: " + describe(error));
    return false;
  }
}

}  // namespace cce
