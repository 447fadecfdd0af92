#pragma once
#include "common/job/stage_inputs.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/analyze/analyze.h"

namespace cce {

/// Publishes the state "analyze", rank 0's, after the spectra of every rank's layers. Which of the expensive
/// measurements were asked for decides it (full spectra for a threshold, drop costs), no amount, ε or τ.
/// Collective. Errors: disk_full, io_failure, job_locked.
void save_analysis(StageContext& context, const ModelAnalysis& analysis, const StageInputs& inputs);
/// Whether the state is there, with the spectra of this rank's layers. Collective.
bool has_analysis(const StageContext& context, const StageInputs& inputs);
/// To the same bits. Precondition: has_analysis. Errors: missing_file, malformed_file.
ModelAnalysis load_analysis(const StageContext& context, const StageInputs& inputs);

/// The V/O directions of an owned layer, as the part analyze.layer-NNN of the state, and back to the same
/// bits: make_plan narrows values by them, so that no factorisation is made twice. On the owner.
/// Errors: disk_full, io_failure, job_locked; missing_file, malformed_file.
void save_value_spectra(StageContext& context, std::int64_t layer, const std::vector<HeadSpectrum>& spectra,
                        const StageInputs& inputs);
std::vector<HeadSpectrum> load_value_spectra(const StageContext& context, std::int64_t layer,
                                             const StageInputs& inputs);

}  // namespace cce
