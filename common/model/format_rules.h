#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/model/formats/export_format.h"
#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"

namespace cce {

// What jobs ask of a format's rules (common/model/formats).

/// Whether a format can carry a structure's removal.
bool allows(ExportFormat format, Structure structure);

/// All structures that a format carries, in the enum's order.
std::vector<Structure> structures_of(ExportFormat format);

/// What `structures: auto` means.
std::vector<Structure> automatic_structures(ExportFormat format);

/// The structures a job uses: spec.structures, or automatic_structures where that is empty.
std::vector<Structure> resolved_structures(const JobSpec& spec);
bool uses_structure(const JobSpec& spec, Structure structure);

/// "ffn, vo, qk"
std::string structure_list(const std::vector<Structure>& structures);

/// For help: "uniform, custom or gguf", and "ffn; for custom ffn, vo, qk" of `structures: auto`, the default format first.
std::string format_choices();
std::string automatic_structures_text();

/// Whether all layers of a format must share one FFN width and one count of KV groups.
bool widths_are_shared(ExportFormat format);

/// Step of a structure's widths: round_to for ffn, 8 dimensions for vo and qk (4 rotary pairs), 1 for
/// kv_groups, blocks and layers. Errors: impossible_combination where the format does not carry the
/// structure.
std::int64_t width_step(ExportFormat format, Structure structure, std::int64_t round_to);

/// Widths that a format can carry, ascending: multiples of the step from one step up, and the dense width
/// itself. Structures the format cannot carry keep the dense width alone.
std::vector<std::int64_t> representable_widths(ExportFormat format, Structure structure,
                                               std::int64_t dense_width, std::int64_t round_to);

/// Refuses a model whose shapes the format cannot carry, naming the layer. Errors: impossible_combination.
void check_representable(const ModelConfig& config, ExportFormat format);

}  // namespace cce
