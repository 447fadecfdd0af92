#pragma once
#include <filesystem>
#include <string>

#include "worker/model/host_layer.h"
#include "worker/passes/layer_stream.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// The layers that a stage of a job left, encode or finetune, read from its state/ and packed in the compute
/// dtype, as a LayerStream asks.
class EncodedLayers : public LayerSource {
 public:
  /// All outlive it. `fingerprint`: that of the run that made them. `stage`: encode or finetune.
  EncodedLayers(const StageContext& context, const ModelConfig& compressed, std::string fingerprint,
                Stage stage = Stage::encode);

  std::size_t packed_bytes(std::int64_t layer) const override;
  void pack(std::int64_t layer, std::span<std::byte> destination) override;
  /// The layer as the stage left it, f32. Errors: missing_file, malformed_file.
  HostLayer load(std::int64_t layer) const;
  /// The final norm's gain, 1 × d: as fine-tuning left it, or the original's with the factor that encode
  /// chose. Errors: missing_file.
  HostMatrix final_norm() const;

 private:
  double output_scale() const;
  std::filesystem::path state_folder(const std::string& name) const;

  const StageContext& context_;
  const ModelConfig& compressed_;
  std::string fingerprint_;
  Stage stage_;
};

}  // namespace cce
