#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "common/base/json_writer.h"
#include "common/base/number_format.h"
#include "common/cost/disk_forecast.h"
#include "coordinator/command/commands.h"
#include "coordinator/command/job_options.h"
#include "coordinator/forecast/format_check.h"
#include "coordinator/forecast/probe.h"
#include "coordinator/forecast/weight_check.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/text_table.h"
#include "coordinator/recipe/recipe.h"
#include "coordinator/run/job_creation.h"
#include "coordinator/run/text_check.h"

namespace cce {
namespace {

/// How long the texts are looked at: what takes longer is the run's.
constexpr double text_check_seconds = 60.0;

struct PlanOptions {
  RecipeOptions recipe;
  std::string worker;
  bool json = false;
  bool probe = false;
};

const char* const examples =
    "Examples:\n"
    "  cce plan recipe.yaml --ranks 4\n"
    "  cce plan ./smollm2-135m --text wiki.txt --out ./smaller --probe\n";

std::string join_layers(const Partition& partition, std::int64_t rank) {
  std::string text;
  for (std::size_t layer = 0; layer < partition.owner.size(); ++layer) {
    if (partition.owner[layer] == rank) {
      text.append(text.empty() ? "" : " ").append(std::to_string(layer));
    }
  }
  return text.empty() ? "none" : text;
}

std::string partition_text(const Partition& partition) {
  std::vector<std::vector<std::string>> rows{{"rank", "sequences", "peak memory", "seconds", "owns layers"}};
  for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
    const SequenceRange& range = partition.sequences[static_cast<std::size_t>(rank)];
    const RankForecast& forecast = partition.forecast[static_cast<std::size_t>(rank)];
    double seconds = 0.0;
    for (const StageForecast& stage : forecast.stages) {
      seconds += stage.seconds;
    }
    rows.push_back({std::to_string(rank),
                    std::to_string(range.first) + " to " + std::to_string(range.first + range.count - 1),
                    format_bytes(forecast.peak_bytes), format_fixed(seconds, 1),
                    join_layers(partition, rank)});
  }
  return text_table(rows);
}

/// Stage by stage for the rank that needs most.
std::string forecast_text(const PreparedJob& job) {
  std::int64_t widest = 0;
  for (std::int64_t rank = 1; rank < job.partition.ranks(); ++rank) {
    if (job.partition.forecast[static_cast<std::size_t>(rank)].peak_bytes >
        job.partition.forecast[static_cast<std::size_t>(widest)].peak_bytes) {
      widest = rank;
    }
  }
  const RankForecast& forecast = job.partition.forecast[static_cast<std::size_t>(widest)];
  std::vector<std::vector<std::string>> rows{{"stage", "seconds", "memory", "most of it"}};
  const std::vector<StageMemory> memory =
      forecast_memory(job.spec, job.checkpoint.config, job.size, job.partition, widest);
  for (std::size_t i = 0; i < memory.size(); ++i) {
    const auto most =
        std::max_element(memory[i].terms.begin(), memory[i].terms.end(),
                         [](const MemoryTerm& a, const MemoryTerm& b) { return a.bytes < b.bytes; });
    rows.push_back({forecast.stages[i].stage, format_fixed(forecast.stages[i].seconds, 1),
                    format_bytes(memory[i].bytes()), most->name + " " + format_bytes(most->bytes)});
  }
  return text_table(rows);
}

void print_json(const PreparedJob& job, const Surroundings& surroundings) {
  const DiskForecast disk = forecast_disk(job.spec, job.checkpoint.config);
  const OrderedJson document{{"spec", OrderedJson::parse(to_json(job.spec))},
                             {"partition", OrderedJson::parse(to_json(job.partition))},
                             {"disk_bytes",
                              {{"statistics", disk.statistics},
                               {"analyzed", disk.analyzed},
                               {"prepared", disk.prepared},
                               {"encoded", disk.encoded},
                               {"training", disk.training},
                               {"trained", disk.trained},
                               {"result", disk.result},
                               {"delivered", disk.delivered},
                               {"widest", disk.widest()}}},
                             {"warnings", job.warnings}};
  surroundings.out << pretty_json(document);
}

void print_tables(const PreparedJob& job, bool probed, const Surroundings& surroundings) {
  const ModelConfig& config = job.checkpoint.config;
  surroundings.out << "# the resolved recipe\n" << recipe_yaml(job.spec) << "\n";
  surroundings.out << config.architecture << ", " << config.layers.size() << " layers, "
                   << short_count(static_cast<double>(total_parameters(config))) << " parameters ("
                   << short_count(static_cast<double>(block_parameters(config))) << " in blocks), "
                   << format_bytes(job.size.tensor_bytes) << "\n";
  surroundings.out << "micro-batches of " << job.partition.micro_batch_sequences << " and chunks of "
                   << job.partition.chunk_sequences << " sequences of " << job.spec.calibration.length
                   << " tokens\n\n";
  surroundings.out << partition_text(job.partition) << "\n" << forecast_text(job) << "\n";
  surroundings.out << "The job's folder needs at most "
                   << format_bytes(forecast_disk(job.spec, config).widest()) << " of disk.\n";
  surroundings.out << (probed ? "Seconds from rates measured just now.\n"
                       : job.spec.resources.device == "cuda"
                           ? "Seconds from half of an A100's data sheet: measured on no GPU.\n"
                           : "Seconds from usual rates; --probe measures this machine's.\n");
  for (const std::string& warning : job.warnings) {
    surroundings.out << "Warning: " << warning << ".\n";
  }
}

void run_plan(const PlanOptions& options, const Surroundings& surroundings) {
  const JobSpec spec = resolve_job(options.recipe, JobKind::plan, surroundings.current_folder);
  const Machine machine = inspect_machine();
  std::optional<MachineRates> rates;
  if (options.probe) {
    if (spec.resources.device == "cuda") {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "--probe, resources.device=cuda",
                  .found = "a recipe for GPUs",
                  .expected = "one for CPUs, whose rates the probe measures",
                  .remedy = "Leave --probe out"};
    }
    const std::int64_t threads =
        spec.resources.threads.value_or(std::max<std::int64_t>(1, machine.cores / spec.resources.ranks));
    rates =
        parse_rates(probe_text(worker_program(options.worker, surroundings), threads), "cce-worker --probe");
  }
  PosixFileSystem files;
  PreparedJob job = prepare_job(files, spec, machine, rates ? &*rates : nullptr);
  check_format_files(files, job.spec);
  if (!texts_are_checked(worker_program(options.worker, surroundings), job.spec, text_check_seconds)) {
    job.warnings.push_back(
        "the texts could not be checked whole (a minute at most): only the run will say what is wrong with "
        "them, if "
        "anything");
  }
  check_weights(files, job.spec);
  if (options.json) {
    print_json(job, surroundings);
  } else {
    print_tables(job, rates.has_value(), surroundings);
  }
}

}  // namespace

void add_plan_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command =
      app.add_subcommand("plan", "Check a recipe and forecast memory and time, without running it");
  command->footer(examples);
  add_recipe_options(*command, options->recipe, {});
  command->add_flag("--probe", options->probe, "Measure this machine's rates for the forecast");
  command->add_option("--worker", options->worker, "The cce-worker program [default: beside cce]")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the resolved job and its partition as JSON");
  command->callback([options, &surroundings] { run_plan(*options, surroundings); });
}

}  // namespace cce
