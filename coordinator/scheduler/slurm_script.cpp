#include "coordinator/scheduler/slurm_script.h"

#include <algorithm>
#include <map>

#include "common/base/error.h"
#include "common/job/job_dir.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t usual_notice_seconds = 120;
constexpr std::int64_t bytes_per_mebibyte = 1 << 20;
constexpr std::size_t longest_value = 1000;

constexpr std::string_view letters_and_digits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Which characters a value may have besides letters and digits, and with which it may start. No grammar has
/// a blank, a quote, a dollar, a backslash, a percent sign (sbatch's file patterns) or a line's end.
struct Grammar {
  std::string_view also;
  std::string_view first;  ///< besides letters and digits
  std::string_view words;
};
constexpr Grammar path_grammar{"/._+,@:=-", "/", "an absolute path of letters, digits and / . _ + , @ : = -"};
constexpr Grammar name_grammar{"._-", "_", "letters, digits, '.', '_' and '-'"};
constexpr Grammar name_list_grammar{"._,-", "_", "names of letters, digits, '.', '_', '-', between commas"};
constexpr Grammar constraint_grammar{"._&|*,:()[]-", "_([",
                                     "feature names joined by & | , * and brackets, without blanks"};
constexpr Grammar variable_grammar{"._:=,+-", "._:=,+-", "letters, digits and . _ : = , + -"};
constexpr Grammar module_grammar{"/._+-", "_", "a module's name such as openmpi/4.1"};
constexpr Grammar image_grammar{"/._+@:-", "/", "an absolute path of a .sif file, or docker://NAME:TAG"};

[[noreturn]] void refuse(const std::string& value, const Grammar& grammar, const std::string& key) {
  throw Error{.code = ErrorCode::unsupported,
              .where = key,
              .found = std::string("'").append(value).append("'"),
              .expected = std::string(grammar.words),
              .remedy = "Slurm gets nothing else from this service; use another name"};
}

std::string checked(const std::string& value, const Grammar& grammar, const std::string& key) {
  const std::string all = std::string(letters_and_digits).append(grammar.also);
  const std::string first = std::string(letters_and_digits).append(grammar.first);
  if (value.empty() || value.size() > longest_value || first.find(value[0]) == std::string::npos ||
      value.find_first_not_of(all) != std::string::npos) {
    refuse(value, grammar, key);
  }
  return value;
}

std::string checked_path(const fs::path& path, const std::string& key) {
  std::string text = checked(path.string(), path_grammar, key);
  if (text[0] != '/') {  // nodes have other working folders
    refuse(text, path_grammar, key);
  }
  return text;
}

std::int64_t ceil_divided(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

void add_time(const Launch& launch, std::string& lines) {
  std::int64_t notice = usual_notice_seconds;
  if (launch.time_limit_seconds) {
    const std::int64_t minutes = std::max<std::int64_t>(1, ceil_divided(*launch.time_limit_seconds, 60));
    lines.append("#SBATCH --time=").append(std::to_string(minutes)).append("\n");
    notice = std::min(notice, minutes * 60 / 4);
  }
  lines.append("#SBATCH --requeue\n#SBATCH --signal=B:USR1@").append(std::to_string(notice)).append("\n");
}

std::string directives(const Launch& launch) {
  const std::string job = checked_path(launch.job_dir, "job folder");
  std::string lines;
  const auto add = [&lines](const std::string& option, const std::string& value) {
    lines.append("#SBATCH --").append(option).append("=").append(value).append("\n");
  };
  add("job-name", launch.name);
  add("chdir", job);
  add("output", attempt_log_path(job, launch.attempt).string());
  add("open-mode", "append");
  add("export", "NONE");  // jobs do not inherit the server's environment
  add("nodes", std::to_string(launch.nodes));
  add("ntasks", std::to_string(launch.ranks));
  add("ntasks-per-node", std::to_string(ceil_divided(launch.ranks, launch.nodes)));
  add("cpus-per-task", std::to_string(launch.threads));
  if (launch.memory_bytes) {
    const std::int64_t mebibytes = ceil_divided(*launch.memory_bytes, bytes_per_mebibyte);
    add("mem-per-cpu", std::to_string(ceil_divided(mebibytes, launch.threads)) + "M");
  }
  if (launch.gpus_per_rank > 0) {
    // Of a node, not of a task: a rank picks its GPU by its place among the ranks on its node.
    const std::int64_t of_a_node = launch.gpus_per_rank * ceil_divided(launch.ranks, launch.nodes);
    add("gres", std::string("gpu:").append(std::to_string(of_a_node)));
  }
  add_time(launch, lines);
  const auto add_name = [&](const std::optional<std::string>& value, const Grammar& grammar,
                            const std::string& option) {
    if (value) {
      add(option, checked(*value, grammar, "resources." + option));
    }
  };
  add_name(launch.partition, name_list_grammar, "partition");
  add_name(launch.account, name_grammar, "account");
  add_name(launch.qos, name_grammar, "qos");
  add_name(launch.constraint, constraint_grammar, "constraint");
  lines.pop_back();
  return lines;
}

std::string surroundings(const Launch& launch, const std::optional<fs::path>& profile) {
  std::string lines;
  if (profile) {
    lines.append(". '").append(checked_path(*profile, "profile")).append("' || exit 2\n");
  }
  if (!launch.environment_modules.empty()) {
    lines += "command -v module >/dev/null || . /etc/profile\nmodule load";
    for (const std::string& name : launch.environment_modules) {
      lines.append(" '").append(checked(name, module_grammar, "resources.modules")).append("'");
    }
    lines += " || exit 2\n";
  }
  for (const auto& [name, value] :
       launch.environment) {  // after the site's: a user's choice is the last word
    lines.append("export ").append(name).append("='");
    lines.append(checked(value, variable_grammar, "environment variable " + name)).append("'\n");
  }
  lines += "set -u";  // from here on: profiles and modules are not written for it
  return lines;
}

std::string program(const Launch& launch) {
  if (!launch.container_image) {
    return std::string("'").append(checked_path(launch.worker, "worker program")).append("'");
  }
  const std::string image = checked(*launch.container_image, image_grammar, "resources.container");
  if (image[0] != '/' && image.find("://") == std::string::npos) {
    refuse(image, image_grammar, "resources.container");
  }
  return std::string("apptainer exec ")
      .append(launch.gpus_per_rank > 0 ? "--nv " : "")
      .append("--bind \"$job\" '")
      .append(image)
      .append("' cce-worker");
}

void check_shape(const Launch& launch) {
  check_run_name(launch.name);
  if (launch.binding == Binding::cores) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "binding",
                .found = "cores",
                .expected = "automatic",
                .remedy = "Slurm binds ranks itself: set SLURM_CPU_BIND in the site's profile"};
  }
  if (launch.nodes > launch.ranks) {
    throw Error{
        .code = ErrorCode::impossible_combination,
        .where = "resources.nodes",
        .found = std::to_string(launch.nodes) + " nodes for " + std::to_string(launch.ranks) + " ranks",
        .expected = "at least one rank a node",
        .remedy = "Raise resources.ranks or lower resources.nodes"};
  }
}

std::string replace_names(std::string_view text,
                          const std::map<std::string, std::string, std::less<>>& values) {
  std::string result;
  while (true) {
    const std::size_t start = text.find("{{");
    const std::size_t end = start == std::string_view::npos ? start : text.find("}}", start);
    result += text.substr(0, start);
    if (end == std::string_view::npos) {
      return result;
    }
    const auto value = values.find(text.substr(start + 2, end - start - 2));
    if (value == values.end()) {
      throw Error{.code = ErrorCode::invalid_argument,
                  .where = "slurm/job.sbatch.in",
                  .found = std::string(text.substr(start, end + 2 - start)),
                  .expected = "a name that render_slurm_script fills in",
                  .remedy = "Report this: it is a bug."};
    }
    result += value->second;
    text.remove_prefix(end + 2);
  }
}

}  // namespace

std::string render_slurm_script(const Launch& launch, const std::optional<fs::path>& profile) {
  check_shape(launch);
  return replace_names(slurm_job_template(), {{"directives", directives(launch)},
                                              {"job_dir", checked_path(launch.job_dir, "job folder")},
                                              {"surroundings", surroundings(launch, profile)},
                                              {"program", program(launch)},
                                              {"attempt", std::to_string(launch.attempt)},
                                              {"nodes", std::to_string(launch.nodes)},
                                              {"ranks", std::to_string(launch.ranks)},
                                              {"threads", std::to_string(launch.threads)}});
}

}  // namespace cce
