#pragma once
#include "worker/passes/stage_context.h"

namespace cce {

/// Rank 0 tokenises all texts of the job (JobTexts::prepare) while the other ranks hear every second that it is
/// still at work: it may take longer than a rank may be silent. Collective. Errors: rank 0's, on rank 0.
void prepare_texts(StageContext& context);

}  // namespace cce
