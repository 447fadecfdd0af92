// Every writing step of every composite operation fails once, in each manner; then what is visible must be
// whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/job/job_dir.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/faults/fail_every_step.h"

namespace cce {
namespace {

std::string read(const FileSystem::Path& path) {
  return PosixFileSystem().read_text(path, 1 << 20);
}

TEST(FileFaults, atomic_writing_shows_the_old_or_the_new_bytes) {
  const std::int64_t steps = fail_every_step(
      [](FileSystem& files, const FileSystem::Path& root) { files.write_atomic(root / "a", "old bytes"); },
      [](FileSystem& files, const FileSystem::Path& root) {
        files.write_atomic(root / "a", "new, longer bytes");
      },
      [](const FileSystem::Path& root, bool passed) {
        const std::string found = read(root / "a");
        EXPECT_TRUE(found == "new, longer bytes" || (!passed && found == "old bytes")) << found;
      });
  EXPECT_EQ(steps, 6);  // open, append, sync, close, rename, sync of the folder
}

TEST(FileFaults, a_failed_write_gives_its_space_back) {
  for (std::int64_t step = 1; step <= 5; ++step) {
    const TemporaryFolder temporary;
    PosixFileSystem real;
    FaultyFileSystem faulty(real);
    faulty.set_fault({.step = step, .code = ErrorCode::disk_full, .torn = true, .dead = false});
    expect_error([&] { faulty.write_atomic(temporary / "a", "bytes"); }, ErrorCode::disk_full, "injected");
    EXPECT_THAT(real.list(temporary.path()), ::testing::IsEmpty()) << step;
  }
}

void make_folder(FileSystem& files, const FileSystem::Path& folder, const std::string& text) {
  files.make_directory(folder / "inner");
  files.write_atomic(folder / "a", text);
  files.write_atomic(folder / "inner" / "b", text);
}

TEST(FileFaults, a_published_folder_is_whole_or_absent) {
  fail_every_step(
      [](FileSystem& files, const FileSystem::Path& root) { make_folder(files, root / "final", "old"); },
      [](FileSystem& files, const FileSystem::Path& root) {
        make_folder(files, root / "temp", "new");
        files.publish_directory(root / "temp", root / "final");
      },
      [](const FileSystem::Path& root, bool passed) {
        PosixFileSystem files;
        files.recover_directory(root / "final");
        ASSERT_TRUE(files.exists(root / "final"));
        const std::string found = read(root / "final" / "a");
        EXPECT_TRUE(found == "new" || (!passed && found == "old")) << found;
        EXPECT_EQ(read(root / "final" / "inner" / "b"), found);
        for (const std::string& name : files.list(root)) {
          EXPECT_TRUE(name == "final" || name == "temp") << name;
        }
      });
}

JobSpec small_spec() {
  JobSpec spec;
  spec.model = "m";
  return spec;
}

Partition small_partition() {
  Partition partition;
  partition.sequences = split_sequences(1, 1);
  partition.owner = {0};
  return partition;
}

TEST(FileFaults, a_job_directory_is_created_whole_or_not_at_all) {
  fail_every_step([](FileSystem&, const FileSystem::Path&) {},
                  [](FileSystem& files, const FileSystem::Path& root) {
                    JobDir::create(files, root / "job", small_spec(), small_partition());
                  },
                  [](const FileSystem::Path& root, bool passed) {
                    PosixFileSystem files;
                    if (files.exists(root / "job" / "spec.json")) {
                      const JobDir job = JobDir::open(files, root / "job");
                      EXPECT_EQ(to_json(job.read_spec()), to_json(small_spec()));
                      EXPECT_EQ(to_json(job.read_partition()), to_json(small_partition()));
                      EXPECT_TRUE(files.is_directory(job.state_root()));
                    } else {
                      EXPECT_FALSE(passed);
                      EXPECT_NO_THROW(JobDir::create(files, root / "job", small_spec(), small_partition()));
                    }
                  });
}

TEST(FileFaults, a_state_is_found_whole_with_its_own_fingerprint) {
  const auto publish = [](FileSystem& files, const FileSystem::Path& root, const std::string& text) {
    JobDir job = JobDir::open(files, root);
    make_folder(files, job.begin_state("encode"), text);
    job.publish_state("encode", text);
  };
  fail_every_step(
      [&](FileSystem& files, const FileSystem::Path& root) {
        JobDir::create(files, root, small_spec(), small_partition());
        publish(files, root, "old");
      },
      [&](FileSystem& files, const FileSystem::Path& root) { publish(files, root, "new"); },
      [](const FileSystem::Path& root, bool passed) {
        PosixFileSystem files;
        JobDir job = JobDir::open(files, root);
        job.recover();
        const bool is_new = job.find_state("encode", "new").has_value();
        EXPECT_TRUE(is_new || (!passed && job.find_state("encode", "old").has_value()));
        const std::string text = is_new ? "new" : "old";
        EXPECT_EQ(read(root / "state" / "encode" / "a"), text);
        EXPECT_EQ(read(root / "state" / "encode" / "inner" / "b"), text);
        EXPECT_THAT(files.list(root / "state"), ::testing::ElementsAre("encode"));
      });
}

TEST(FileFaults, events_lose_at_most_what_was_not_synced) {
  const auto append = [](EventLog& log, EventKind kind) {
    JobEvent event;
    event.kind = kind;
    log.append(event);
  };
  fail_every_step(
      [&](FileSystem& files, const FileSystem::Path& root) {
        EventLog log(files, root / "events.jsonl");
        append(log, EventKind::started);
      },
      [&](FileSystem& files, const FileSystem::Path& root) {
        EventLog log(files, root / "events.jsonl");
        for (const EventKind kind : {EventKind::stage_started, EventKind::progress, EventKind::stage_done}) {
          append(log, kind);
        }
      },
      [&](const FileSystem::Path& root, bool passed) {
        PosixFileSystem files;
        EventLog log(files, root / "events.jsonl");
        append(log, EventKind::done);
        const std::vector<JobEvent> events = read_events(files, root / "events.jsonl");
        ASSERT_GE(events.size(), passed ? 5U : 2U);
        for (std::size_t i = 0; i < events.size(); ++i) {
          EXPECT_EQ(events[i].seq, static_cast<std::int64_t>(i) + 1);
        }
        EXPECT_EQ(events.front().kind, EventKind::started);
        EXPECT_EQ(events.back().kind, EventKind::done);
      });
}

TEST(FileFaults, an_event_log_goes_on_after_a_full_disk) {
  const TemporaryFolder temporary;
  PosixFileSystem real;
  FaultyFileSystem faulty(real);
  EventLog log(faulty, temporary / "events.jsonl");
  JobEvent event;
  event.kind = EventKind::progress;
  log.append(event);
  faulty.set_fault({.step = 1, .code = ErrorCode::disk_full, .torn = true, .dead = false});
  expect_error([&] { log.append(event); }, ErrorCode::disk_full, "injected");
  EXPECT_EQ(log.append(event).seq, 2);
  EXPECT_EQ(read_events(real, temporary / "events.jsonl").size(), 2U);
}

TEST(FileFaults, the_lock_is_free_again_after_a_failed_attempt) {
  fail_every_step(
      [](FileSystem& files, const FileSystem::Path& root) {
        JobDir::create(files, root, small_spec(), small_partition()).take_lock(1);
      },
      [](FileSystem& files, const FileSystem::Path& root) { JobDir::open(files, root).take_lock(2); },
      [](const FileSystem::Path& root, bool passed) {
        PosixFileSystem files;
        JobDir job = JobDir::open(files, root);
        EXPECT_EQ(job.recorded_attempt() == 2 || (!passed && job.recorded_attempt() == 1), true);
        EXPECT_NO_THROW(job.take_lock(2));
      });
}

}  // namespace
}  // namespace cce
