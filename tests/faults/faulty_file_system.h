#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "common/base/file.h"

namespace cce {

/// A file system whose Nth writing step fails, for walking every error path: loop N upwards until an action
/// passes. Reading never fails. It also remembers which bytes were synced, to show what a power cut would
/// leave.
///   torn: the failing append writes the first half of its bytes.
///   dead: every later step fails too, as if the process had died at the Nth.
class FaultyFileSystem final : public FileSystem {
 public:
  struct Fault {
    std::int64_t step = 0;  ///< 1 for the first; 0 for none
    ErrorCode code = ErrorCode::io_failure;
    bool torn = false;
    bool dead = false;
  };

  explicit FaultyFileSystem(FileSystem& real) : real_(real) {}

  void set_fault(Fault fault) {
    fault_ = fault;
    steps_ = 0;
  }
  std::int64_t steps() const { return steps_; }
  bool fault_was_reached() const { return fault_.step > 0 && steps_ >= fault_.step; }

  /// Cuts every file written here back to what was synced of it.
  void cut_power() {
    for (const auto& [path, synced_bytes] : synced_) {
      if (real_.exists(path) && !real_.is_directory(path) && real_.file_bytes(path) > synced_bytes) {
        real_.truncate(path, synced_bytes);
      }
    }
    synced_.clear();
  }

  bool exists(const Path& path) const override { return real_.exists(path); }
  bool is_directory(const Path& path) const override { return real_.is_directory(path); }
  std::int64_t file_bytes(const Path& path) const override { return real_.file_bytes(path); }
  std::string read_text(const Path& path, std::int64_t limit_bytes) const override {
    return real_.read_text(path, limit_bytes);
  }
  MappedFile map_readonly(const Path& path) const override { return real_.map_readonly(path); }
  std::vector<std::string> list(const Path& folder) const override { return real_.list(folder); }
  std::int64_t free_bytes(const Path& path) const override {
    const auto at = free_at_.find(path);
    return at != free_at_.end() ? at->second : free_bytes_ ? *free_bytes_ : real_.free_bytes(path);
  }
  /// What the disk says it has left from now on.
  void set_free_bytes(std::int64_t bytes) { free_bytes_ = bytes; }
  void set_free_bytes(const Path& path, std::int64_t bytes) { free_at_[path] = bytes; }

  std::unique_ptr<FileWriter> open_writer(const Path& path, WriteMode mode) override {
    step("open", path);
    const bool is_new = mode == WriteMode::create_or_replace || !real_.exists(path);
    const std::int64_t synced = is_new ? 0 : real_.file_bytes(path);
    synced_.try_emplace(path.string(), synced);
    if (is_new) {
      synced_[path.string()] = 0;
    }
    return std::make_unique<Writer>(*this, real_.open_writer(path, mode), path);
  }
  void truncate(const Path& path, std::int64_t bytes) override {
    step("truncate", path);
    real_.truncate(path, bytes);
    const auto found = synced_.find(path.string());
    if (found != synced_.end()) {
      found->second = std::min(found->second, bytes);
    }
  }
  void rename(const Path& from, const Path& to) override {
    step("rename", from);
    real_.rename(from, to);
    std::map<std::string, std::int64_t> moved;
    for (const auto& [path, bytes] : synced_) {
      const bool is_inside = path == from.string() || path.starts_with(from.string() + "/");
      moved[is_inside ? to.string() + path.substr(from.string().size()) : path] = bytes;
    }
    synced_ = std::move(moved);
  }
  void sync_directory(const Path& folder) override { step("sync", folder); }
  void make_directory(const Path& folder) override {
    step("make", folder);
    real_.make_directory(folder);
  }
  void remove_all(const Path& path) override {
    step("remove", path);
    real_.remove_all(path);
  }
  std::unique_ptr<FileLock> lock(const Path& path) override {
    step("lock", path);
    return real_.lock(path);
  }

 private:
  class Writer final : public FileWriter {
   public:
    Writer(FaultyFileSystem& owner, std::unique_ptr<FileWriter> real, Path path)
        : owner_(owner), real_(std::move(real)), path_(std::move(path)) {}
    using FileWriter::append;
    void append(std::span<const std::byte> bytes) override {
      try {
        owner_.step("append", path_);
      } catch (const Error&) {
        if (owner_.fault_.torn && owner_.steps_ == owner_.fault_.step) {
          real_->append(bytes.first(bytes.size() / 2));
        }
        throw;
      }
      real_->append(bytes);
    }
    void sync() override {
      owner_.step("sync", path_);
      owner_.synced_[path_.string()] = owner_.real_.file_bytes(path_);
    }
    void close() override {
      owner_.step("close", path_);
      real_->close();
    }
    std::int64_t bytes_written() const override { return real_->bytes_written(); }

   private:
    FaultyFileSystem& owner_;
    std::unique_ptr<FileWriter> real_;
    Path path_;
  };

  void step(const std::string& action, const Path& path) {
    ++steps_;
    if (fault_.step > 0 && (steps_ == fault_.step || (fault_.dead && steps_ > fault_.step))) {
      throw Error{.code = fault_.code,
                  .where = path.string(),
                  .found = "an injected fault",
                  .expected = "to " + action,
                  .remedy = ""};
    }
  }

  FileSystem& real_;
  std::optional<std::int64_t> free_bytes_;
  std::map<Path, std::int64_t> free_at_;
  Fault fault_;
  std::int64_t steps_ = 0;
  std::map<std::string, std::int64_t> synced_;
};

}  // namespace cce
