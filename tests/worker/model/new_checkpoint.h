#pragma once
#include "worker/model/checkpoint_writer.h"

namespace cce {

/// A layer of a checkpoint as the original has it, f32.
inline HostLayer host_layer_of(const Checkpoint& checkpoint, std::int64_t layer) {
  const LayerShape& shape = checkpoint.config().layers[static_cast<std::size_t>(layer)];
  const std::int64_t hidden_size = checkpoint.config().hidden_size;
  std::vector<std::byte> block(packed_layer_bytes(shape, hidden_size, DType::f32));
  checkpoint.pack_layer(layer, DType::f32, block);
  return to_host_layer(view_packed_layer(shape, hidden_size, DType::f32, std::span<const std::byte>(block)));
}

/// A result that changes nothing.
inline CheckpointContents same_as(const Checkpoint& original) {
  return {.config = original.config(),
          .layer = [&original](std::int64_t layer) { return host_layer_of(original, layer); },
          .original = original,
          .final_norm = {}};
}

/// write_checkpoint into a folder that is made for it, or made anew.
inline void write_new_checkpoint(FileSystem& files, const std::filesystem::path& folder,
                                 const CheckpointContents& contents,
                                 const CheckpointWriteSettings& settings) {
  files.remove_all(folder);
  files.make_directory(folder);
  write_checkpoint(files, folder, contents, settings);
}

}  // namespace cce
