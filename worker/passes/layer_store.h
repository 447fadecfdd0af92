#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/file.h"
#include "worker/model/host_layer.h"
#include "worker/tensor/backend.h"

namespace cce {

/// Raw files of a job's state, of layers f32. Shapes are not stored: the reader knows them from the plan, and the
/// fingerprint of the state shows that the plan is the same. Synced when the calls return. Errors: those of
/// FileSystem.
void write_layer(FileSystem& files, const std::filesystem::path& path, const HostLayer& layer,
                 std::int64_t hidden_size);
void write_matrix(FileSystem& files, const std::filesystem::path& path, const HostMatrix& matrix);

/// Dense matrices of the backend, one after another, each in its own dtype, into one file and back to the
/// same bits. Errors as above and below.
void write_numbers(FileSystem& files, Backend& backend, const std::filesystem::path& path,
                   const std::vector<ConstMatrix>& blocks);
void read_numbers(const FileSystem& files, Backend& backend, const std::filesystem::path& path,
                  const std::vector<Matrix>& blocks);

/// Errors: missing_file; malformed_file when the size is not that of the shape.
HostLayer read_layer(const FileSystem& files, const std::filesystem::path& path, const LayerShape& shape,
                     std::int64_t hidden_size);
HostMatrix read_matrix(const FileSystem& files, const std::filesystem::path& path, std::int64_t rows,
                       std::int64_t cols);

/// The state that holds the factor of the final norm's gain.
inline constexpr const char* output_scale_state = "encode.output-scale";

/// The state that holds the final norm's gain as fine-tuning left it.
inline constexpr const char* final_norm_state = "finetune.final-norm";
/// The state that says that fine-tuning is over, published after its layers.
inline constexpr const char* finetune_done_state = "finetune.done";

/// "encode.layer-007": the state of one layer within a stage.
std::string layer_state_name(std::string_view stage, std::int64_t layer);

}  // namespace cce
