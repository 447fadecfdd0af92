#pragma once
#include <filesystem>
#include <string>

#include "worker/comm/layer_stream.h"
#include "worker/model/host_layer.h"
#include "worker/stages/stage_context.h"

namespace cce {

/// The encoded layers of a job, read from its state/ and packed in the compute dtype, as a LayerStream asks.
class EncodedLayers : public LayerSource {
 public:
  /// All outlive it. `fingerprint`: that of the run that encoded them.
  EncodedLayers(const StageContext& context, const ModelConfig& compressed, std::string fingerprint);

  std::size_t packed_bytes(std::int64_t layer) const override;
  void pack(std::int64_t layer, std::span<std::byte> destination) override;
  /// The layer as encode left it, f32. Errors: missing_file, malformed_file.
  HostLayer load(std::int64_t layer) const;
  /// The factor of the final norm's gain that encode chose, and the gain with it, 1 × d. Errors:
  /// missing_file.
  double output_scale() const;
  HostMatrix final_norm() const;

 private:
  std::filesystem::path state_folder(const std::string& name) const;

  const StageContext& context_;
  const ModelConfig& compressed_;
  std::string fingerprint_;
};

}  // namespace cce
