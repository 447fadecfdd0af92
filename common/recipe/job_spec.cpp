#include "common/recipe/job_spec.h"

#include "common/recipe/job_spec_names.h"

namespace cce {

const NameTable<Structure>& structure_names() {
  static const NameTable<Structure> names = {
      {"ffn", Structure::ffn},       {"vo", Structure::vo},
      {"qk", Structure::qk},         {"kv_groups", Structure::kv_groups},
      {"blocks", Structure::blocks}, {"layers", Structure::layers}};
  return names;
}

const NameTable<RefitTarget>& refit_target_names() {
  static const NameTable<RefitTarget> names = {{"none", RefitTarget::none},
                                               {"random", RefitTarget::random},
                                               {"local", RefitTarget::local},
                                               {"error_aware", RefitTarget::error_aware}};
  return names;
}

const NameTable<GuardMode>& guard_mode_names() {
  static const NameTable<GuardMode> names = {{"warn", GuardMode::warn}, {"stop", GuardMode::stop}};
  return names;
}

const NameTable<BeginTokens>& begin_tokens_names() {
  static const NameTable<BeginTokens> names = {
      {"auto", BeginTokens::automatic}, {"never", BeginTokens::never}, {"always", BeginTokens::always}};
  return names;
}

const NameTable<TargetKind>& target_kind_names() {
  static const NameTable<TargetKind> names = {{"remove_params", TargetKind::remove_params},
                                              {"remove_flops", TargetKind::remove_flops},
                                              {"fit_bytes", TargetKind::fit_bytes},
                                              {"threshold", TargetKind::threshold}};
  return names;
}

std::int64_t ranks_per_node(const ResourceSettings& resources) {
  return (resources.ranks + resources.nodes - 1) / resources.nodes;
}

std::string_view structure_name(Structure structure) {
  return name_in(structure_names(), structure);
}
std::string_view refit_target_name(RefitTarget target) {
  return name_in(refit_target_names(), target);
}
std::string_view guard_mode_name(GuardMode mode) {
  return name_in(guard_mode_names(), mode);
}
std::string_view target_kind_name(TargetKind kind) {
  return name_in(target_kind_names(), kind);
}

}  // namespace cce
