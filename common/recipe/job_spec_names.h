#pragma once
#include <string_view>

#include "common/recipe/job_spec.h"
#include "common/recipe/name_table.h"

namespace cce {

const NameTable<Structure>& structure_names();
const NameTable<ExportFormat>& format_names();  ///< defined with the formats, in common/model/formats
const NameTable<RefitTarget>& refit_target_names();
const NameTable<GuardMode>& guard_mode_names();
const NameTable<BeginTokens>& begin_tokens_names();
const NameTable<TargetKind>& target_kind_names();

std::string_view refit_target_name(RefitTarget target);
std::string_view guard_mode_name(GuardMode mode);
std::string_view target_kind_name(TargetKind kind);

}  // namespace cce
