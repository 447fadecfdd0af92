#include "coordinator/scheduler/slurm_output.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t longest_quoted_output = 400;

struct StateRow {
  std::string_view name;
  SlurmPhase phase;
};

/// Base states and the flags that squeue and scontrol show in their place (slurm.h, job_states and the
/// JOB_STATE_FLAGS). SUSPENDED and STOPPED jobs come back by themselves; held ones when an operator says so.
constexpr std::array<StateRow, 29> state_rows{{
    {"PENDING", SlurmPhase::waiting},       {"CONFIGURING", SlurmPhase::waiting},
    {"REQUEUED", SlurmPhase::waiting},      {"REQUEUE_FED", SlurmPhase::waiting},
    {"REQUEUE_HOLD", SlurmPhase::waiting},  {"SPECIAL_EXIT", SlurmPhase::waiting},
    {"RESV_DEL_HOLD", SlurmPhase::waiting}, {"POWER_UP_NODE", SlurmPhase::waiting},
    {"RUNNING", SlurmPhase::running},       {"COMPLETING", SlurmPhase::running},
    {"SUSPENDED", SlurmPhase::running},     {"STOPPED", SlurmPhase::running},
    {"SIGNALING", SlurmPhase::running},     {"RESIZING", SlurmPhase::running},
    {"STAGE_OUT", SlurmPhase::running},     {"UPDATE_DB", SlurmPhase::running},
    {"COMPLETED", SlurmPhase::ended},       {"CANCELLED", SlurmPhase::ended},
    {"FAILED", SlurmPhase::ended},          {"TIMEOUT", SlurmPhase::ended},
    {"NODE_FAIL", SlurmPhase::ended},       {"PREEMPTED", SlurmPhase::ended},
    {"BOOT_FAIL", SlurmPhase::ended},       {"DEADLINE", SlurmPhase::ended},
    {"OUT_OF_MEMORY", SlurmPhase::ended},   {"REVOKED", SlurmPhase::ended},
    {"LAUNCH_FAILED", SlurmPhase::ended},   {"RECONFIG_FAIL", SlurmPhase::ended},
    {"EXPEDITING", SlurmPhase::running},
}};

[[noreturn]] void refuse(const std::string& where, std::string_view found, const std::string& expected) {
  throw Error{.code = ErrorCode::malformed_file,
              .where = where,
              .found = std::string("'").append(found.substr(0, longest_quoted_output)).append("'"),
              .expected = expected,
              .remedy = "Compare the version of Slurm with slurm/README.md"};
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = failure == std::errc() && end == text.data() + text.size();
  return whole && all_digits(text) ? std::optional(value) : std::nullopt;
}

/// The text without its last newline; anything else after it stays and is refused by the caller.
std::string_view without_newline(std::string_view text) {
  return text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
}

/// The value of KEY in "A=1 KEY=value B=2": up to the next blank, from the first word that starts so.
std::string_view field(std::string_view line, std::string_view key, const std::string& where) {
  const std::string start = std::string(key) + "=";
  std::size_t position = 0;
  while (position < line.size()) {
    const std::size_t end = std::min(line.find(' ', position), line.size());
    const std::string_view word = line.substr(position, end - position);
    if (word.starts_with(start)) {
      return word.substr(start.size());
    }
    position = end + 1;
  }
  refuse(where, line, "a field " + std::string(key));
}

}  // namespace

SlurmPhase phase_of_state(const std::string& state, const std::string& where) {
  const auto* const row =
      std::find_if(state_rows.begin(), state_rows.end(), [&](const StateRow& r) { return r.name == state; });
  if (row == state_rows.end()) {
    refuse(where, state, "a job state that Slurm's manual lists");
  }
  return row->phase;
}

bool is_job_number(const std::string& text) {
  return text.size() <= 10 && all_digits(text) && text[0] != '0';
}

std::string parse_submitted(const std::string& output) {
  const std::string_view line = without_newline(output);
  const std::size_t cluster = line.find(';');
  const std::string id(line.substr(0, cluster));
  const bool plain = line.find_first_of(" \t\n") == std::string_view::npos;
  if (!plain || !is_job_number(id) || (cluster != std::string_view::npos && cluster + 1 == line.size())) {
    refuse("sbatch --parsable", output, "JOB or JOB;CLUSTER");
  }
  return id;
}

std::vector<SlurmQueueEntry> parse_queue(const std::string& output) {
  std::vector<SlurmQueueEntry> entries;
  std::string_view rest = output;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::array<std::string, 4> fields;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::size_t bar = line.find('|');
      if (bar == std::string_view::npos) {
        refuse("squeue", output, "lines of ID|NAME|STATE|FOLDER");
      }
      fields[i] = line.substr(0, bar);
      line.remove_prefix(bar + 1);
    }
    fields[3] = line;  // a folder may hold bars
    if (!is_job_number(fields[0]) || fields[3].empty()) {
      refuse("squeue", output, "lines of ID|NAME|STATE|FOLDER");
    }
    phase_of_state(fields[2], "squeue");
    entries.push_back({.id = fields[0], .name = fields[1], .state = fields[2], .work_dir = fields[3]});
  }
  return entries;
}

SlurmJobRecord parse_job_record(const std::string& output) {
  const std::string where = "scontrol show job";
  std::string_view line = without_newline(output);
  if (line.find('\n') != std::string_view::npos || !line.starts_with("JobId=")) {
    refuse(where, output, "one line that starts with JobId=");
  }
  SlurmJobRecord record{.id = std::string(field(line, "JobId", where)),
                        .name = std::string(field(line, "JobName", where)),
                        .state = std::string(field(line, "JobState", where)),
                        .reason = std::string(field(line, "Reason", where)),
                        .work_dir = std::string(field(line, "WorkDir", where))};
  if (!is_job_number(record.id)) {
    refuse(where, record.id, "a job's number");
  }
  phase_of_state(record.state, where);
  const std::string_view restarts = field(line, "Restarts", where);
  const std::string_view exit_code = field(line, "ExitCode", where);
  const std::size_t colon = std::min(exit_code.find(':'), exit_code.size());
  const auto restart_count = number_of<std::int64_t>(restarts);
  const auto status = number_of<int>(exit_code.substr(0, colon));
  const auto signal = number_of<int>(exit_code.substr(std::min(colon + 1, exit_code.size())));
  if (!restart_count || !status || !signal) {
    refuse(where, std::string(restarts) + " " + std::string(exit_code),
           "Restarts=N and ExitCode=STATUS:SIGNAL");
  }
  record.restarts = *restart_count;
  record.exit_status = *status;
  record.signal = *signal;
  return record;
}

}  // namespace cce
