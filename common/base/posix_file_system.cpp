#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "common/base/error.h"
#include "common/base/file.h"

namespace cce {
namespace {

using Path = FileSystem::Path;

[[noreturn]] void refuse(int error_number, const std::string& action, const Path& path) {
  const std::string reason = std::generic_category().message(error_number);
  if (error_number == ENOENT || error_number == ENOTDIR) {
    throw Error{.code = ErrorCode::missing_file,
                .where = path.string(),
                .found = "nothing there",
                .expected = "a file or folder to " + action,
                .remedy = "Check the path"};
  }
  if (error_number == ENOSPC || error_number == EDQUOT) {
    throw Error{.code = ErrorCode::disk_full,
                .where = path.string(),
                .found = reason,
                .expected = "room to " + action,
                .remedy = "Free space on this disk or choose another folder, then resume the job"};
  }
  throw Error{.code = ErrorCode::io_failure,
              .where = path.string(),
              .found = reason,
              .expected = "to " + action,
              .remedy = error_number == EACCES || error_number == EPERM || error_number == EROFS
                            ? "Check the permissions of this path"
                            : "Check the disk or network file system"};
}

/// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) {
      ::close(number_);
    }
  }
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Descriptor open_descriptor(const Path& path, int flags, const std::string& action) {
  int number = -1;
  do {
    number = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (number < 0 && errno == EINTR);
  if (number < 0) {
    refuse(errno, action, path);
  }
  return Descriptor(number);
}

struct stat status_of(const Descriptor& file, const Path& path) {
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) {
    refuse(errno, "read", path);
  }
  if (S_ISDIR(status.st_mode)) {
    refuse(EISDIR, "read", path);
  }
  return status;
}

class PosixFileWriter final : public FileWriter {
 public:
  PosixFileWriter(Descriptor file, Path path) : file_(std::move(file)), path_(std::move(path)) {}

  void append(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_.number(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) {
        continue;
      }
      if (written < 0) {
        refuse(errno, "write", path_);
      }
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      bytes_written_ += written;
    }
  }

  void sync() override {
    if (::fsync(file_.number()) != 0) {
      refuse(errno, "write", path_);
    }
  }

  void close() override {
    // On Linux the descriptor is gone even where close() reports an error.
    if (::close(file_.release()) != 0 && errno != EINTR) {
      refuse(errno, "write", path_);
    }
  }

  std::int64_t bytes_written() const override { return bytes_written_; }

 private:
  Descriptor file_;
  Path path_;
  std::int64_t bytes_written_ = 0;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;  // closing it gives the lock back
};

}  // namespace

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (bytes_ > 0) {
    ::munmap(const_cast<std::byte*>(data_), bytes_);
  }
}

bool PosixFileSystem::exists(const Path& path) const {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    return true;
  }
  if (errno != ENOENT && errno != ENOTDIR) {
    refuse(errno, "look at", path);
  }
  return false;
}

bool PosixFileSystem::is_directory(const Path& path) const {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::int64_t PosixFileSystem::file_bytes(const Path& path) const {
  return status_of(open_descriptor(path, O_RDONLY, "read"), path).st_size;
}

std::string PosixFileSystem::read_text(const Path& path, std::int64_t limit_bytes) const {
  const Descriptor file = open_descriptor(path, O_RDONLY, "read");
  const std::int64_t size = status_of(file, path).st_size;
  std::string text(static_cast<std::size_t>(std::min(size, limit_bytes) + 1), '\0');
  std::size_t filled = 0;
  while (true) {
    if (filled == text.size()) {
      text.resize(2 * text.size());
    }
    const ssize_t count = ::read(file.number(), text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      refuse(errno, "read", path);
    }
    filled += static_cast<std::size_t>(count);
    if (static_cast<std::int64_t>(filled) > limit_bytes) {
      throw Error{.code = ErrorCode::io_failure,
                  .where = path.string(),
                  .found = "more than " + std::to_string(limit_bytes) + " bytes",
                  .expected = "a smaller file",
                  .remedy = "Check that the path names the file that is meant."};
    }
    if (count == 0) {
      text.resize(filled);
      return text;
    }
  }
}

MappedFile PosixFileSystem::map_readonly(const Path& path) const {
  const Descriptor file = open_descriptor(path, O_RDONLY, "read");
  const auto bytes = static_cast<std::size_t>(status_of(file, path).st_size);
  if (bytes == 0) {
    return {};
  }
  void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (address == MAP_FAILED) {
    refuse(errno, "map", path);
  }
  return MappedFile(static_cast<const std::byte*>(address), bytes);
}

std::vector<std::string> PosixFileSystem::list(const Path& folder) const {
  std::error_code failure;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(folder, failure);
  for (; !failure && entry != std::filesystem::directory_iterator(); entry.increment(failure)) {
    names.push_back(entry->path().filename().string());
  }
  if (failure) {
    refuse(failure.value(), "list", folder);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::int64_t PosixFileSystem::free_bytes(const Path& path) const {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) {
    refuse(errno, "look at", path);
  }
  return static_cast<std::int64_t>(status.f_bavail) * static_cast<std::int64_t>(status.f_frsize);
}

std::unique_ptr<FileWriter> PosixFileSystem::open_writer(const Path& path, WriteMode mode) {
  const int flags = O_WRONLY | O_CREAT | (mode == WriteMode::append ? O_APPEND : O_TRUNC);
  return std::make_unique<PosixFileWriter>(open_descriptor(path, flags, "write"), path);
}

void PosixFileSystem::truncate(const Path& path, std::int64_t bytes) {
  if (::truncate(path.c_str(), bytes) != 0) {
    refuse(errno, "shorten", path);
  }
}

void PosixFileSystem::rename(const Path& from, const Path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    refuse(errno, "rename to " + to.string(), from);
  }
}

void PosixFileSystem::sync_directory(const Path& folder) {
  const Path named = folder.empty() ? Path(".") : folder;
  const Descriptor file = open_descriptor(named, O_RDONLY | O_DIRECTORY, "sync");
  // Some network file systems cannot sync a folder and say EINVAL: their renames are as durable as they get.
  if (::fsync(file.number()) != 0 && errno != EINVAL) {
    refuse(errno, "sync", named);
  }
}

void PosixFileSystem::make_directory(const Path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    refuse(failure.value() == ENOTDIR ? EEXIST : failure.value(), "make", folder);
  }
}

void PosixFileSystem::remove_all(const Path& path) {
  std::error_code failure;
  std::filesystem::remove_all(path, failure);
  if (failure) {
    refuse(failure.value(), "remove", path);
  }
}

std::unique_ptr<FileLock> PosixFileSystem::lock(const Path& path) {
  Descriptor file = open_descriptor(path, O_RDWR | O_CREAT, "lock");
  int outcome = -1;
  do {
    outcome = ::flock(file.number(), LOCK_EX | LOCK_NB);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0 && errno == EWOULDBLOCK) {
    throw Error{.code = ErrorCode::job_locked,
                .where = path.string(),
                .found = "a running process that holds this lock",
                .expected = "no other attempt at work",
                .remedy = "Wait for it or cancel it, then resume"};
  }
  if (outcome != 0) {
    refuse(errno, "lock", path);
  }
  return std::make_unique<PosixFileLock>(std::move(file));
}

}  // namespace cce
