#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "worker/model/block_gradients.h"
#include "worker/model/host_layer.h"
#include "worker/passes/layer_stream.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// The student's weights while they are trained. A layer's f32 master and its copy in the compute dtype live
/// at its owner alone, 4 bytes and one compute value a parameter; as a LayerSource it sends the copies. The
/// final norm's gain is small: every rank has it and steps it alike. One thread; nothing here is collective.
class StudentWeights : public LayerSource {
 public:
  /// Masters 0. Both must outlive it. Errors: does_not_fit.
  StudentWeights(StageContext& context, const ModelConfig& student);

  const ModelConfig& student() const { return student_; }
  std::int64_t hidden_size() const { return student_.hidden_size; }
  /// Both on the layer's owner, as all calls that name a layer unless they say otherwise.
  void set_layer(std::int64_t layer, const HostLayer& weights);
  HostLayer layer(std::int64_t layer) const;
  void set_final_norm(const HostMatrix& gain);
  ConstMatrix final_norm() const { return final_norm_.view(); }
  /// On every rank.
  std::size_t packed_bytes(std::int64_t layer) const override;
  /// The copy in the compute dtype.
  void pack(std::int64_t layer, std::span<std::byte> destination) override;
  /// The f32 master.
  LayerWeights master(std::int64_t layer) const;

  /// What an optimiser moves: the master, and the copy that follows it.
  struct Trained {
    LayerNumbers& master;
    std::span<std::byte> copy;  ///< packed, compute dtype
  };
  Trained trained(std::int64_t layer);
  Matrix trained_final_norm() { return final_norm_.view(); }

  /// This rank's masters into a folder, synced, and back to the same bits, the copies made anew.
  /// Errors: disk_full, io_failure; missing_file, malformed_file.
  void save(const std::filesystem::path& folder) const;
  void load(const std::filesystem::path& folder);

 private:
  struct Owned {
    LayerNumbers master;
    Buffer copy;  ///< a packed layer in the compute dtype
  };
  const LayerShape& shape(std::int64_t layer) const;
  const Owned& owned(std::int64_t layer) const;
  Owned& owned(std::int64_t layer);
  std::span<std::byte> copy_of(std::int64_t layer);
  void refresh_copy(std::int64_t layer);

  StageContext& context_;
  const ModelConfig& student_;
  std::vector<std::optional<Owned>> layers_;  ///< of owned layers
  OwnedMatrix final_norm_;                    ///< 1 × d, f32
};

}  // namespace cce
