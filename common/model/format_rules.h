#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// What each export format can carry (docs/method.md 5):
///   uniform  ffn (one width for all layers), kv_groups (one count for all layers), layers
///   deci     ffn per layer in multiples of 256, blocks, layers
///   custom   ffn, vo, qk, kv_groups per layer, blocks, layers
///   dense    everything, multiplied back or zeroed: nothing is saved

/// Whether a format can carry a structure's removal.
bool allows(ExportFormat format, Structure structure);

/// All structures that a format carries, in the enum's order.
std::vector<Structure> structures_of(ExportFormat format);

/// What `structures: auto` means: ffn, for custom and dense also vo and qk. Key/value groups, blocks and
/// layers are left to recipes that name them: on the reference model they cost more than they save.
std::vector<Structure> automatic_structures(ExportFormat format);

/// The structures a job uses: spec.structures, or automatic_structures where that is empty.
std::vector<Structure> resolved_structures(const JobSpec& spec);
bool uses_structure(const JobSpec& spec, Structure structure);

/// "ffn, vo, qk"
std::string structure_list(const std::vector<Structure>& structures);

/// Whether all layers of a format must share one FFN width and one count of KV groups.
bool widths_are_shared(ExportFormat format);

/// What `round_to` must be a multiple of: 256 for deci, else 1.
std::int64_t ffn_step_floor(ExportFormat format);

/// Step of a structure's widths: round_to for ffn, 8 dimensions for vo and qk (4 rotary pairs), 1 for
/// kv_groups, blocks and layers. Errors: impossible_combination where the format does not carry the
/// structure.
std::int64_t width_step(ExportFormat format, Structure structure, std::int64_t round_to);

/// Widths that a format can carry, ascending: multiples of the step from one step up, and the dense width
/// itself. Structures the format cannot carry keep the dense width alone.
std::vector<std::int64_t> representable_widths(ExportFormat format, Structure structure,
                                               std::int64_t dense_width, std::int64_t round_to);

/// Refuses a model whose shapes the format cannot carry, naming the layer. For `uniform`: layers that differ,
/// vo or qk widths other than head_dim, biases that the class has no place for; layers without any block are
/// allowed, since they are left out. Errors: impossible_combination, unsupported (deci).
void check_representable(const ModelConfig& config, ExportFormat format);

}  // namespace cce
