#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/file.h"

namespace cce {

/// Another file system whose steps of writing all work until the one numbered `allowed_steps`, and fail from
/// then on, as on a disk that has run full.
class FailingFileSystem final : public FileSystem {
 public:
  FailingFileSystem(FileSystem& inner, int allowed_steps) : inner_(inner), left_(allowed_steps) {}

  bool exists(const Path& path) const override { return inner_.exists(path); }
  bool is_directory(const Path& path) const override { return inner_.is_directory(path); }
  std::int64_t file_bytes(const Path& path) const override { return inner_.file_bytes(path); }
  std::string read_text(const Path& path, std::int64_t limit_bytes) const override {
    return inner_.read_text(path, limit_bytes);
  }
  MappedFile map_readonly(const Path& path) const override { return inner_.map_readonly(path); }
  std::vector<std::string> list(const Path& folder) const override { return inner_.list(folder); }
  std::int64_t free_bytes(const Path& path) const override { return inner_.free_bytes(path); }

  std::unique_ptr<FileWriter> open_writer(const Path& path, WriteMode mode) override {
    step();
    return std::make_unique<Writer>(*this, inner_.open_writer(path, mode));
  }
  void truncate(const Path& path, std::int64_t bytes) override { step(), inner_.truncate(path, bytes); }
  void rename(const Path& from, const Path& to) override { step(), inner_.rename(from, to); }
  void sync_directory(const Path& folder) override { step(), inner_.sync_directory(folder); }
  void make_directory(const Path& folder) override { step(), inner_.make_directory(folder); }
  void remove_all(const Path& path) override { step(), inner_.remove_all(path); }
  std::unique_ptr<FileLock> lock(const Path& path) override { return inner_.lock(path); }

 private:
  class Writer final : public FileWriter {
   public:
    Writer(FailingFileSystem& files, std::unique_ptr<FileWriter> inner)
        : files_(files), inner_(std::move(inner)) {}
    void append(std::span<const std::byte> bytes) override {
      if (files_.left_ == 0) inner_->append(bytes.first(bytes.size() / 2));  // a torn write
      files_.step();
      inner_->append(bytes);
    }
    void sync() override { files_.step(), inner_->sync(); }
    void close() override { files_.step(), inner_->close(); }
    std::int64_t bytes_written() const override { return inner_->bytes_written(); }

   private:
    FailingFileSystem& files_;
    std::unique_ptr<FileWriter> inner_;
  };

  void step() {
    if (left_-- > 0) return;
    left_ = 0;
    throw Error{
        .code = ErrorCode::disk_full, .where = "test", .found = "no space", .expected = {}, .remedy = {}};
  }

  FileSystem& inner_;
  int left_;
};

}  // namespace cce
