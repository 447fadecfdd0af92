#pragma once
#include <memory>
#include <optional>
#include <string>

#include "common/base/error.h"
#include "common/recipe/job_spec.h"
#include "worker/comm/communicator.h"
#include "worker/run/device_choice.h"
#include "worker/tensor/backend.h"

namespace cce {

/// Where one rank computes.
struct ChosenDevice {
  std::string name;  ///< "cpu", or "cuda:INDEX NAME"; empty where none was found
  DeviceChoice choice;
  std::optional<Error> refusal;  ///< why there is none: the same on every rank
};

/// What resources.device asks for, the GPU by this rank's place on its host. A collective; `host` is this
/// machine's name. Errors: the communicator's.
ChosenDevice choose_rank_device(Communicator& communicator, const std::string& host,
                                const std::string& requested);

/// The backend of a device that was not refused: `threads` host threads; on a GPU resources.memory as its
/// limit, else an equal share of nine tenths of what is free. Errors: those of make_cpu_backend and of
/// make_cuda_backend; unsupported for precision tf32 on a CPU.
std::unique_ptr<Backend> make_rank_backend(const ChosenDevice& device, const ResourceSettings& resources,
                                           int threads);

/// Before any work: whether a rank's forecast is within what its backend may hold. A forecast for another
/// device than the one that computes (resources.device auto) says nothing and passes. Errors: does_not_fit.
void check_forecast(const ResourceSettings& resources, const Backend& backend, std::int64_t forecast_bytes);

}  // namespace cce
