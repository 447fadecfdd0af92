#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/job/job_dir.h"
#include "common/job/numerics_identity.h"

namespace cce {

/// JOB/numerics.json: what the work that a job keeps was computed with.
struct NumericsRecord {
  std::vector<NumericsIdentity>
      kinds;                     ///< in order of their first attempt; more than one where it was allowed
  bool next_may_differ = false;  ///< said for the next attempt alone
};

/// {"schema_version": 1, "kinds": [{...}], "next_may_differ": false}
std::string to_json(const NumericsRecord& record);
/// Errors: malformed_file, wrong_type, unknown_key, out_of_range with `where`.
NumericsRecord parse_numerics_record(std::string_view json_text, const std::string& where);

/// Nothing where no attempt has come so far. Errors: those of parse_numerics_record and of FileSystem.
std::optional<NumericsRecord> read_numerics(const FileSystem& files, const JobDir& job);

/// The record once an attempt of this identity has started.
///   - no work is kept: the record starts afresh
///   - the identity is the one of the latest attempt: as it was
///   - it is another one, and that was allowed: one kind more
/// Pure. Errors: impossible_combination for another identity that was not allowed, with both sides of every
/// difference; `where` names the job.
NumericsRecord with_attempt(const NumericsRecord& record, const NumericsIdentity& identity, bool keeps_work,
                            const std::string& where);

/// Errors: those of FileSystem.
void write_numerics(FileSystem& files, const JobDir& job, const NumericsRecord& record);

/// with_attempt() on the job's own record, written where it changed. For the process that holds the job's
/// lock. Errors: those of with_attempt, read_numerics and FileSystem.
void record_attempt(FileSystem& files, const JobDir& job, const NumericsIdentity& identity);

/// Lets the job's next attempt compute with other numerics than the earlier ones. Errors: as read_numerics.
void allow_other_numerics(FileSystem& files, const JobDir& job);

}  // namespace cce
