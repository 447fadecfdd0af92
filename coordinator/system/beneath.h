#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

/// A regular file held open for reading; closed when it goes. Threads may share it.
class OpenedFile {
 public:
  OpenedFile(int descriptor, std::int64_t bytes, std::string identity);
  ~OpenedFile();
  OpenedFile(const OpenedFile&) = delete;
  OpenedFile& operator=(const OpenedFile&) = delete;

  std::int64_t bytes() const { return bytes_; }
  /// Changes whenever the file is another one or was written: device, inode, size and time of change.
  const std::string& identity() const { return identity_; }
  /// Up to `bytes` from `first`; less only at the end of the file. Errors: io_failure.
  std::string read(std::int64_t first, std::int64_t bytes) const;

 private:
  int descriptor_;
  std::int64_t bytes_;
  std::string identity_;
};

/// Opens ROOT/relative, never anything outside of ROOT: every part is opened from its parent's descriptor,
/// and a link, a device, "..", "." or an empty part is refused like a file that is not there. ROOT itself may
/// be reached through links. Errors: missing_file; io_failure.
std::shared_ptr<const OpenedFile> open_beneath(const std::filesystem::path& root, std::string_view relative);

struct FileEntry {
  std::string path;  ///< relative to the root, parts divided by '/'
  std::int64_t bytes = 0;
};

/// Every regular file beneath `root`, sorted by path; links and special files are left out, folders are
/// descended to 16 levels. Empty where there is no such folder. Errors: io_failure where there are more than
/// `most` files.
std::vector<FileEntry> list_beneath(const std::filesystem::path& root, std::size_t most = 100000);

}  // namespace cce
