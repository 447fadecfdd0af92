#include "coordinator/system/beneath.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr int deepest_level = 16;

/// A descriptor on its way to an owner.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) {
      ::close(number_);
    }
  }
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  void replace(int number) {
    if (number_ >= 0) {
      ::close(number_);
    }
    number_ = number;
  }

 private:
  int number_;
};

[[noreturn]] void refuse_missing(std::string_view relative) {
  throw Error{.code = ErrorCode::missing_file,
              .where = std::string(relative),
              .found = "no such file",
              .expected = "one of the job's result files",
              .remedy = "The list of artifacts names them."};
}

[[noreturn]] void refuse_failure(std::string_view relative, int number) {
  throw Error{.code = ErrorCode::io_failure,
              .where = std::string(relative),
              .found = std::strerror(number),
              .expected = "a file that can be read",
              .remedy = "Check its permissions and the disk."};
}

/// What opening a part may say where nothing is wrong with the disk: absent, a link, a file as a folder.
bool means_missing(int number) {
  return number == ENOENT || number == ELOOP || number == ENOTDIR || number == ENAMETOOLONG ||
         number == ENXIO || number == EMLINK;
}

int open_part(int folder, const std::string& part, int flags, std::string_view relative) {
  const int opened = ::openat(folder, part.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags);
  if (opened < 0) {
    const int number = errno;
    if (means_missing(number)) {
      refuse_missing(relative);
    }
    refuse_failure(relative, number);
  }
  return opened;
}

std::vector<std::string> parts_of(std::string_view relative) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= relative.size();) {
    const std::size_t end = std::min(relative.find('/', begin), relative.size());
    std::string part(relative.substr(begin, end - begin));
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string::npos) {
      refuse_missing(relative);
    }
    parts.push_back(std::move(part));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

OpenedFile::OpenedFile(int descriptor, std::int64_t bytes, std::string identity)
    : descriptor_(descriptor), bytes_(bytes), identity_(std::move(identity)) {}

OpenedFile::~OpenedFile() {
  ::close(descriptor_);
}

std::string OpenedFile::read(std::int64_t first, std::int64_t bytes) const {
  std::string text(static_cast<std::size_t>(bytes), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got =
        ::pread(descriptor_, text.data() + done, text.size() - done, first + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      refuse_failure("an open file", errno);
    }
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

std::shared_ptr<const OpenedFile> open_beneath(const std::filesystem::path& root, std::string_view relative) {
  const std::vector<std::string> parts = parts_of(relative);
  Descriptor at(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (at.get() < 0) {
    refuse_missing(relative);
  }
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    at.replace(open_part(at.get(), parts[i], O_DIRECTORY, relative));
  }
  // O_NONBLOCK: a pipe in a result folder must not hold the server up before fstat finds it out.
  at.replace(open_part(at.get(), parts.back(), O_NONBLOCK, relative));
  struct stat facts {};
  if (::fstat(at.get(), &facts) != 0) {
    refuse_failure(relative, errno);
  }
  if (!S_ISREG(facts.st_mode)) {
    refuse_missing(relative);
  }
  const std::string identity = std::to_string(facts.st_dev) + "-" + std::to_string(facts.st_ino) + "-" +
                               std::to_string(facts.st_size) + "-" + std::to_string(facts.st_mtim.tv_sec) +
                               "." + std::to_string(facts.st_mtim.tv_nsec);
  return std::make_shared<const OpenedFile>(at.release(), facts.st_size, identity);
}

std::vector<FileEntry> list_beneath(const std::filesystem::path& root, std::size_t most) {
  namespace fs = std::filesystem;
  std::vector<FileEntry> entries;
  std::error_code failure;
  // Links are not followed: this iterator descends into real folders only.
  for (fs::recursive_directory_iterator at(root, failure), end; !failure && at != end;
       at.increment(failure)) {
    const fs::file_status status = at->symlink_status(failure);
    if (failure) {
      break;
    }
    if (at.depth() >= deepest_level) {
      at.disable_recursion_pending();
    }
    if (!fs::is_regular_file(status)) {
      continue;
    }
    entries.push_back({.path = at->path().lexically_relative(root).generic_string(),
                       .bytes = static_cast<std::int64_t>(at->file_size(failure))});
    if (entries.size() > most) {
      refuse_failure(root.string(), EFBIG);
    }
  }
  if (failure && failure != std::errc::no_such_file_or_directory) {
    refuse_failure(root.string(), failure.value());
  }
  std::sort(entries.begin(), entries.end(),
            [](const FileEntry& left, const FileEntry& right) { return left.path < right.path; });
  return entries;
}

}  // namespace cce
