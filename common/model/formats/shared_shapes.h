#pragma once
#include <string>
#include <string_view>

#include "common/base/json_writer.h"
#include "common/model/formats/format.h"
#include "common/model/model_config.h"

namespace cce {

// For formats whose results are of the family's plain class: one set of shapes for all layers.

/// What such formats have in common; name, check and advice are each one's own.
FormatRules shared_shape_rules();

/// Refuses layers that differ, head widths other than head_dim and parts that the class has no place for.
/// Layers without any block are allowed: they are left out. `format` is named in errors. Errors:
/// impossible_combination.
void check_shared_shapes(const ModelConfig& config, std::string_view format);

/// A remedy that names the format which copies what another cannot carry.
std::string choose_plain_format();

/// Rewrites a config.json for a model that check_shared_shapes has passed.
void write_plain_config(const ModelConfig& config, OrderedJson& document);

}  // namespace cce
