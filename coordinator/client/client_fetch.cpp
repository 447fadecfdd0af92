#include "coordinator/client/client_fetch.h"

#include <chrono>
#include <optional>

#include "common/base/digest.h"
#include "common/base/json_writer.h"
#include "coordinator/system/checksums.h"
#include "coordinator/system/delivery.h"
#include "coordinator/system/folder_exchange.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr const char* manifest_name = "manifest.json";

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

/// What an interrupted fetch must agree with to be continued.
std::string manifest_text(const RemoteJob& job, const std::vector<Artifact>& artifacts,
                          const ServiceClient& service) {
  OrderedJson manifest;
  manifest["server"] = service.server_text();
  manifest["job"] = job.id;
  manifest["attempt"] = job.attempt;
  manifest["artifacts"] = OrderedJson::array();
  for (const Artifact& artifact : artifacts) {
    manifest["artifacts"].push_back({{"path", artifact.path}, {"bytes", artifact.bytes}});
  }
  return pretty_json(manifest);
}

class Fetch {
 public:
  Fetch(FileSystem& files, const ServiceClient& service, const std::string& id,
        const FetchCallbacks& callbacks, double give_up_seconds)
      : files_(files), service_(service), id_(id), callbacks_(callbacks), give_up_seconds_(give_up_seconds) {}

  void run(const fs::path& output, bool force) {
    const std::vector<Artifact> artifacts = service_.artifacts(id_);
    check_deliverable(files_, output, force);
    const OutputPlace place = find_output_place(output);
    ScratchFolder scratch = open_scratch(place, manifest_text(service_.job(id_), artifacts, service_));
    const fs::path folder = scratch.path() / incoming_name;
    for (const Artifact& artifact : artifacts) {
      total_bytes_ += artifact.bytes;
    }
    for (const Artifact& artifact : artifacts) {
      const fs::path target = folder / artifact.path;
      files_.make_directory(target.parent_path());
      bring(artifact, target);
      finished_bytes_ += artifact.bytes;
    }
    check_digests(folder);
    put_in_place(files_, scratch, place, force);
  }

 private:
  /// What an earlier fetch of the same result left, or a new one. What was left of others is removed.
  ScratchFolder open_scratch(const OutputPlace& place, const std::string& manifest) {
    const std::string prefix = place.scratch_prefix("fetch-");
    std::optional<ScratchFolder> same;
    for (ScratchFolder& left : abandoned_for(files_, place, "fetch-")) {
      const bool is_in_place = left.path().parent_path() == place.scratch_parent();
      if (exchange_is_unfinished(files_, left.path())) {
        finish_exchange(files_, place.folder, left.path());
      } else if (const fs::path path = left.path() / manifest_name;
                 !same && is_in_place && files_.exists(path) && files_.read_text(path) == manifest) {
        same = std::move(left);
        continue;
      } else {
        callbacks_.note("an earlier fetch was of another result, or to another place: starting anew");
      }
      left.remove(files_);
    }
    if (!same) {
      files_.make_directory(place.scratch_parent());
      same = ScratchFolder::make(files_, place.scratch_parent(), prefix);
      files_.make_directory(same->path() / incoming_name);
      files_.write_atomic(same->path() / manifest_name, manifest);
    }
    return std::move(*same);
  }

  std::int64_t bytes_there(const fs::path& target) const {
    return files_.exists(target) ? files_.file_bytes(target) : 0;
  }

  /// Connects until the file has its size.
  void bring(const Artifact& artifact, const fs::path& target) {
    if (bytes_there(target) > artifact.bytes) {
      files_.remove_all(target);
    }
    BackOff back_off;
    std::string tag;
    SteadyClock::time_point last_progress = SteadyClock::now();
    while (!files_.exists(target) || bytes_there(target) < artifact.bytes) {
      const std::int64_t before = bytes_there(target);
      std::optional<Error> trouble = bring_part(artifact, target, before, tag);
      if (bytes_there(target) > before || files_.exists(target) == (artifact.bytes == 0)) {
        back_off.start_again();
        last_progress = SteadyClock::now();
      } else if (!trouble) {
        trouble = Error{.code = ErrorCode::io_failure,
                        .where = artifact.path,
                        .found = "an answer that ended early",
                        .expected = "all of its bytes",
                        .remedy = "Fetch again: what has come is kept."};
      }
      if (trouble) {
        if (seconds_since(last_progress) > give_up_seconds_) {
          throw Error(*trouble);
        }
        callbacks_.note("connection lost (" + trouble->found + "); trying again");
        if (!service_.waiter()(back_off.next_seconds())) {
          stop();
        }
      }
    }
    if (const std::int64_t bytes = bytes_there(target); bytes > artifact.bytes) {
      files_.remove_all(target);
      throw Error{.code = ErrorCode::verification_failed,
                  .where = artifact.path,
                  .found = "at least " + std::to_string(bytes) + " bytes",
                  .expected = std::to_string(artifact.bytes) + " bytes",
                  .remedy = "What was wrong was removed: fetch again."};
    }
  }

  /// One connection. Returns what broke it, if it broke. `tag`: the file's version as the server named it
  /// last, so that parts of two versions never meet.
  std::optional<Error> bring_part(const Artifact& artifact, const fs::path& target, std::int64_t offset,
                                  std::string& tag) {
    std::unique_ptr<FileWriter> writer;
    std::int64_t written = offset;
    const ClientReceiver receiver{
        .head =
            [&](const ClientHead& head) {
              const std::string expected = "bytes " + std::to_string(offset) + "-";
              const bool continues = head.status == 206 && head.header("content-range").starts_with(expected);
              if (!continues && files_.exists(target)) {
                files_.truncate(target, 0);  // the whole file is sent again, or what is here cannot be used
              }
              written = continues ? offset : 0;
              if (head.status == 416 || (head.status == 206 && !continues)) {
                return false;
              }
              tag = head.header("etag");
              writer = files_.open_writer(target, WriteMode::append);
              return true;
            },
        .body =
            [&](std::string_view part) {
              writer->append(part);
              written += static_cast<std::int64_t>(part.size());
              callbacks_.progress(finished_bytes_ + written, total_bytes_);
              return written <= artifact.bytes && going();
            },
        .idle = [&] { return going(); }};
    std::optional<Error> trouble;
    try {
      service_.artifact(id_, artifact.path, offset, tag, receiver);
    } catch (const Error& error) {
      // An error of the local disk names another place than the server's address and ends the fetch.
      if (!is_connection_trouble(error) || error.where.find("://") == std::string::npos) {
        throw;
      }
      trouble = error;
    }
    if (writer) {
      writer->sync();
      writer->close();
    }
    if (!going_) {
      stop();
    }
    return trouble;
  }

  /// Every file that the result lists has the digest that it says. Older results have no list.
  void check_digests(const fs::path& folder) {
    const fs::path list = folder / checksums_name;
    if (!files_.exists(list)) {
      return;
    }
    for (const auto& [path, digest] : parse_checksums(files_.read_text(list), list.string())) {
      const bool there = is_plain_relative(path) && files_.exists(folder / path);
      const std::string found = there ? digest_of_file(files_, folder / path) : "nothing";
      if (found != digest) {
        if (there) {
          files_.remove_all(folder / path);
        }
        throw Error{.code = ErrorCode::verification_failed,
                    .where = path,
                    .found = there ? "SHA-256 " + found : found,
                    .expected = digest,
                    .remedy = "What was wrong was removed: fetch again."};
      }
    }
  }

  bool going() {
    going_ = going_ && callbacks_.keep_going();
    return going_;
  }

  [[noreturn]] void stop() const {
    throw Error{.code = ErrorCode::cancelled,
                .where = "fetch of job " + id_,
                .found = "",
                .expected = "",
                .remedy = "The same command continues where this one stopped."};
  }

  FileSystem& files_;
  const ServiceClient& service_;
  const std::string& id_;
  const FetchCallbacks& callbacks_;
  double give_up_seconds_;
  std::int64_t total_bytes_ = 0, finished_bytes_ = 0;
  bool going_ = true;
};

}  // namespace

void fetch_result(FileSystem& files, const ServiceClient& service, const std::string& id,
                  const fs::path& output, bool force, const FetchCallbacks& callbacks,
                  double give_up_seconds) {
  Fetch(files, service, id, callbacks, give_up_seconds).run(output, force);
}

}  // namespace cce
