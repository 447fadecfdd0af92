#include "common/cost/kept_share.h"

namespace cce {

double kept_share(const JobSpec& spec) {
  const bool is_fraction =
      spec.target.kind == TargetKind::remove_params || spec.target.kind == TargetKind::remove_flops;
  return is_fraction && runs(spec, Stage::make_plan) ? 1.0 - spec.target.amount : 1.0;
}

std::int64_t kept_of(const JobSpec& spec, std::int64_t dense) {
  return static_cast<std::int64_t>(static_cast<double>(dense) * kept_share(spec));
}

}  // namespace cce
