#include "coordinator/forecast/probe.h"

#include "coordinator/system/process.h"

namespace cce {

std::string probe_text(const std::filesystem::path& worker, std::int64_t threads) {
  const std::string count = std::to_string(threads);
  return run_program({worker.string(), "--probe"},
                     {{"OMP_NUM_THREADS", count}, {"OPENBLAS_NUM_THREADS", count}}, 60.0);
}

}  // namespace cce
