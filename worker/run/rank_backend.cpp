#include "worker/run/rank_backend.h"

#include <algorithm>
#include <span>
#include <vector>

#include "common/base/error.h"
#include "common/base/number_format.h"
#include "worker/tensor/cuda/cuda_device.h"

namespace cce {
namespace {

RankDevices inspect(const std::string& host, const std::string& requested) {
  RankDevices result{.host = host, .gpus = {}, .refusal = {}};
  if (requested == "cpu" || (requested == "auto" && !built_with_cuda())) {
    return result;
  }
  try {
    for (const CudaDevice& device : cuda_devices()) {
      result.gpus.push_back(device.identity + " " + device.name);
    }
  } catch (const Error& error) {
    result.refusal = error.found + " (expected: " + error.expected + ")";
  }
  return result;
}

}  // namespace

ChosenDevice choose_rank_device(Communicator& communicator, const std::string& host,
                                const std::string& requested) {
  const RankDevices own = inspect(host, requested);
  const std::string mine = to_text(own);
  std::vector<RankDevices> ranks;
  for (const auto& blob : communicator.all_gather(std::as_bytes(std::span(mine)))) {
    ranks.push_back(parse_rank_devices({reinterpret_cast<const char*>(blob.data()), blob.size()}));
  }
  ChosenDevice device;
  try {
    device.choice = choose_device(requested, ranks, communicator.rank());
  } catch (const Error& error) {
    device.refusal = error;
    return device;
  }
  device.name = "cpu";
  if (device.choice.cuda) {
    const std::string& gpu = own.gpus[static_cast<std::size_t>(device.choice.index)];
    device.name =
        "cuda:" + std::to_string(device.choice.index) + gpu.substr(std::min(gpu.find(' '), gpu.size()));
  }
  return device;
}

std::unique_ptr<Backend> make_rank_backend(const ChosenDevice& device, const ResourceSettings& resources,
                                           int threads) {
  const bool tf32 = resources.precision == "tf32";
  if (!device.choice.cuda) {
    if (tf32) {
      throw Error{.code = ErrorCode::unsupported,
                  .where = "resources.precision",
                  .found = "tf32 on a CPU",
                  .expected = "a GPU",
                  .remedy = "Set resources.precision: auto, or run where a GPU is visible"};
    }
    return make_cpu_backend(threads);
  }
  return make_cuda_backend(
      {.device = device.choice.index,
       .memory_limit_bytes = static_cast<std::size_t>(resources.memory_bytes.value_or(0)),
       .sharers = device.choice.sharers,
       .tf32 = tf32,
       .host_threads = threads});
}

void check_forecast(const ResourceSettings& resources, const Backend& backend, std::int64_t forecast_bytes) {
  const std::optional<std::size_t> limit = backend.limit_bytes();
  if (resources.device != "cuda" || !limit || forecast_bytes <= static_cast<std::int64_t>(*limit)) {
    return;
  }
  const std::string room = format_bytes(static_cast<std::int64_t>(*limit));
  throw Error{
      .code = ErrorCode::does_not_fit,
      .where = "memory of " + std::string(backend.device()),
      .found = "a forecast of " + format_bytes(forecast_bytes),
      .expected = "at most the " + room + " that this rank may take",
      .remedy =
          "Set resources.memory to that: chunks of the calibration then shrink to it. Or use more ranks, "
          "each on a GPU of its own, or lower calibration.length"};
}

}  // namespace cce
