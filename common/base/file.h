#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

/// A file mapped for reading; unmapped when it goes. Movable. Threads may share the bytes.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(const std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, bytes_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// An open file that only grows. Destruction without close() closes the descriptor and ignores what that
/// says. Not thread-safe. Errors of every call: disk_full, io_failure, with the path; after one the file's
/// end is unknown.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  virtual void append(std::span<const std::byte> bytes) = 0;  ///< all of them, or an error
  virtual void sync() = 0;                                    ///< on the device when it returns
  virtual void close() = 0;                                   ///< no other call may follow
  virtual std::int64_t bytes_written() const = 0;             ///< since the writer was opened

  void append(std::string_view text) { append(std::as_bytes(std::span(text))); }
};

/// A file held exclusively until this goes, across processes (flock; over NFS as a byte-range lock).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class WriteMode { create_or_replace, append };

/// The one seam through which this project reads and writes bytes; tests put faults behind it. The virtual
/// calls are single steps of the operating system, so that a test can fail each one; what must be atomic is
/// built from them. Threads may share a FileSystem. Errors of every call: missing_file (absent where it must
/// exist), disk_full, io_failure (anything else), each with the path.
class FileSystem {
 public:
  using Path = std::filesystem::path;
  virtual ~FileSystem() = default;

  // ---- reading
  virtual bool exists(const Path& path) const = 0;
  virtual bool is_directory(const Path& path) const = 0;
  virtual std::int64_t file_bytes(const Path& path) const = 0;
  /// The whole file. Errors: io_failure where it holds more than `limit_bytes`.
  virtual std::string read_text(const Path& path, std::int64_t limit_bytes = std::int64_t{1} << 30) const = 0;
  virtual MappedFile map_readonly(const Path& path) const = 0;
  /// Names (not paths) in a folder, sorted by bytes.
  virtual std::vector<std::string> list(const Path& folder) const = 0;
  /// Bytes that this user may still write where `path` (which exists) lies.
  virtual std::int64_t free_bytes(const Path& path) const = 0;

  // ---- single steps of writing
  virtual std::unique_ptr<FileWriter> open_writer(const Path& path, WriteMode mode) = 0;
  virtual void truncate(const Path& path, std::int64_t bytes) = 0;
  virtual void rename(const Path& from,
                      const Path& to) = 0;  ///< replaces a file atomically; a folder only if empty
  virtual void sync_directory(const Path& folder) = 0;  ///< its entries are on the device when it returns
  virtual void make_directory(const Path& folder) = 0;  ///< with its parents; existing is fine
  virtual void remove_all(const Path& path) = 0;        ///< absent is fine
  /// Creates the file if need be and takes it. Errors: job_locked at once where another process (or another
  /// FileLock of this one) holds it: it never waits.
  virtual std::unique_ptr<FileLock> lock(const Path& path) = 0;

  // ---- built from the steps
  /// The file holds either its old bytes or all of the new ones, whatever fails:
  ///   1. write PATH.tmp and sync it   2. rename it to PATH   3. sync the folder
  void write_atomic(const Path& path, std::string_view bytes);

  /// Makes a finished folder visible under its final name, whole or not at all. Files must be synced by who
  /// wrote them; an older folder of that name is moved to OLD = .FINAL.cce-old-XXXXXXXXXX first (a new name).
  ///   1. sync every folder inside TEMP   2. FINAL -> OLD   3. TEMP -> FINAL   4. sync the parent
  ///   5. remove OLD
  void publish_directory(const Path& temporary, const Path& final_path);

  /// Removes what a crash may have left of publish_directory, putting OLD back where FINAL is missing.
  void recover_directory(const Path& final_path);
};

/// The operating system's files.
class PosixFileSystem final : public FileSystem {
 public:
  bool exists(const Path& path) const override;
  bool is_directory(const Path& path) const override;
  std::int64_t file_bytes(const Path& path) const override;
  std::string read_text(const Path& path, std::int64_t limit_bytes) const override;
  MappedFile map_readonly(const Path& path) const override;
  std::vector<std::string> list(const Path& folder) const override;
  std::int64_t free_bytes(const Path& path) const override;
  std::unique_ptr<FileWriter> open_writer(const Path& path, WriteMode mode) override;
  void truncate(const Path& path, std::int64_t bytes) override;
  void rename(const Path& from, const Path& to) override;
  void sync_directory(const Path& folder) override;
  void make_directory(const Path& folder) override;
  void remove_all(const Path& path) override;
  std::unique_ptr<FileLock> lock(const Path& path) override;
};

}  // namespace cce
