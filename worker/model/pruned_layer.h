#pragma once
#include "common/model/compression_plan.h"
#include "worker/model/host_layer.h"

namespace cce {

/// The part of a layer that a plan keeps, by selection alone (docs/method.md 3.3), in f32:
///   1. kv_groups: rows of k, v, of q (the group's queries) and their biases; columns of o
///   2. rope_pairs: rows j and j + qk_dim / 2 of every q and k head of the group, and their biases
///   3. ffn_neurons: rows of gate and up and their biases; columns of down
/// A sub-block that the plan drops has no parts left. vo_dim stays that of `dense`: the change of basis and
/// the refit of o and down are the encode stage's; else the shape is that of shape_after. `dense` has host
/// views, f32 or bf16. Errors: those of shape_after.
HostLayer prune_layer(const LayerWeights& dense, const LayerPlan& plan);

}  // namespace cce
