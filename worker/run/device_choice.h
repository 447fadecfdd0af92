#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace cce {

/// What one rank says about its place: who decides must know it of all of them.
struct RankDevices {
  std::string host;
  std::vector<std::string> gpus;  ///< the visible ones by index: "IDENTITY NAME"
  std::string refusal;  ///< why none can be used, where that is an error (no driver, no CUDA in the program)
};

struct DeviceChoice {
  bool cuda = false;
  int index = 0;    ///< among this rank's visible GPUs
  int sharers = 1;  ///< ranks that the same GPU was given to, this one included
  /// Why auto leaves GPUs, or a driver, aside that a program could use; the same on every rank.
  std::string note = {};
};

/// Where rank `rank` computes. Ranks of one host take its GPUs in turn, in order of rank; visible GPUs of the
/// same identity are the same device. `requested`: "cpu"; "cuda"; or "auto", which is cuda where every rank
/// sees a GPU and cpu otherwise, so that all ranks compute alike. Errors: unsupported for cuda where a rank
/// has none, with that rank's host and reason.
DeviceChoice choose_device(const std::string& requested, const std::vector<RankDevices>& ranks, int rank);

/// The same as bytes, for a gather between ranks.
std::string to_text(const RankDevices& devices);
RankDevices parse_rank_devices(const std::string& text);

}  // namespace cce
