#include "coordinator/system/clone_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t piece_bytes = std::size_t{16} << 20;

/// Gives the empty file `to` the blocks of `from`; false, and `to` as it was, where that is not possible.
bool share_blocks(const fs::path& from, const fs::path& to) {
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int target = ::open(to.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  const bool shared = source >= 0 && target >= 0 && ::ioctl(target, FICLONE, source) == 0;
  for (const int descriptor : {source, target}) {
    if (descriptor >= 0) {
      ::close(descriptor);
    }
  }
  return shared;
}

}  // namespace

void copy_file(FileSystem& files, const fs::path& from, const fs::path& to) {
  const std::unique_ptr<FileWriter> writer = files.open_writer(to, WriteMode::create_or_replace);
  if (!share_blocks(from, to)) {
    const MappedFile content = files.map_readonly(from);
    for (std::span<const std::byte> rest = content.bytes(); !rest.empty();) {
      const std::size_t piece = std::min(piece_bytes, rest.size());
      writer->append(rest.first(piece));
      rest = rest.subspan(piece);
    }
  }
  writer->sync();
  writer->close();
}

}  // namespace cce
