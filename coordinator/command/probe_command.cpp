#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/number_format.h"
#include "coordinator/command/commands.h"
#include "coordinator/forecast/probe.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/text_table.h"

namespace cce {
namespace {

struct ProbeOptions {
  std::string worker;
  std::int64_t threads = 0;
  bool json = false;
};

}  // namespace

void add_probe_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<ProbeOptions>();
  CLI::App* command = app.add_subcommand("probe", "Measure this machine's rates of products and copies");
  command->footer("Example:\n  cce probe --threads 2\n");
  command->add_option("--threads", options->threads, "Threads of one worker [default: all cores]")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{4096}))
      ->type_name("N");
  command->add_option("--worker", options->worker, "The cce-worker program [default: beside cce]")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the figures as JSON");
  command->callback([options, &surroundings] {
    const std::int64_t threads = options->threads > 0 ? options->threads : inspect_machine().cores;
    const std::string figures = probe_text(worker_program(options->worker, surroundings), threads);
    if (options->json) {
      surroundings.out << figures;
      return;
    }
    const MachineRates rates = parse_rates(figures, "cce-worker --probe");
    surroundings.out << text_table({{"threads", std::to_string(threads)},
                                    {"products in f32", short_count(rates.f32_flops) + "FLOP/s"},
                                    {"products in bf16", short_count(rates.bf16_flops) + "FLOP/s"},
                                    {"products in f64", short_count(rates.f64_flops) + "FLOP/s"},
                                    {"copies of memory", short_count(rates.memory_bytes) + "B/s"}});
  });
}

}  // namespace cce
