#pragma once
#include "worker/model/checkpoint_writer.h"

namespace cce {

/// write_checkpoint into a folder that is made for it, or made anew.
inline void write_new_checkpoint(FileSystem& files, const std::filesystem::path& folder,
                                 const CheckpointContents& contents,
                                 const CheckpointWriteSettings& settings) {
  files.remove_all(folder);
  files.make_directory(folder);
  write_checkpoint(files, folder, contents, settings);
}

}  // namespace cce
