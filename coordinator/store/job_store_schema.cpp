#include "coordinator/store/job_store_schema.h"

#include <array>
#include <string>

#include "common/base/error.h"
#include "coordinator/store/job_store.h"
#include "coordinator/store/job_store_sql.h"

namespace cce {
namespace {

/// Entry v leads from version v to v + 1. Never edited once released: a change is a new entry.
constexpr std::array<const char*, JobStore::schema_version> migrations{// 0 -> 1
                                                                       R"(CREATE TABLE jobs (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         id TEXT NOT NULL UNIQUE,
         state TEXT NOT NULL CHECK (state IN ('queued', 'submitting', 'running', 'cancelling', 'cancelled',
                                              'failed', 'completed', 'lost')),
         attempt INTEGER NOT NULL CHECK (attempt >= 1),
         spec TEXT NOT NULL,
         model TEXT NOT NULL,
         stages TEXT NOT NULL,
         created REAL NOT NULL
       ) STRICT;
       CREATE TABLE attempts (
         job INTEGER NOT NULL REFERENCES jobs (number),
         attempt INTEGER NOT NULL CHECK (attempt >= 1),
         run_name TEXT NOT NULL UNIQUE,
         scheduler_id TEXT,
         first_event INTEGER NOT NULL,
         submitted REAL NOT NULL,
         started REAL,
         ended REAL,
         PRIMARY KEY (job, attempt)
       ) STRICT;
       CREATE TABLE transitions (
         job INTEGER NOT NULL REFERENCES jobs (number),
         number INTEGER NOT NULL CHECK (number >= 1),
         time REAL NOT NULL,
         state TEXT NOT NULL,
         attempt INTEGER NOT NULL,
         event INTEGER NOT NULL CHECK (event >= 0),
         error TEXT,
         PRIMARY KEY (job, number)
       ) STRICT, WITHOUT ROWID;
       CREATE TABLE idempotency_keys (
         key TEXT PRIMARY KEY,
         digest TEXT NOT NULL,
         job INTEGER NOT NULL REFERENCES jobs (number),
         created REAL NOT NULL
       ) STRICT, WITHOUT ROWID;)"};

int stored_version(const SqlDatabase& database) {
  SqlStatement statement(database, "PRAGMA user_version");
  return statement.next() ? static_cast<int>(statement.integer(0)) : 0;
}

}  // namespace

void migrate_job_store(SqlDatabase& database) {
  database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
  const int version = stored_version(database);
  if (version > JobStore::schema_version) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "jobs.sqlite",
                .found = "schema version " + std::to_string(version),
                .expected = "at most " + std::to_string(JobStore::schema_version),
                .remedy = "A newer cce has served this folder: use that one."};
  }
  for (int from = version; from < JobStore::schema_version; ++from) {
    SqlTransaction transaction(database);
    database.execute(migrations[static_cast<std::size_t>(from)]);
    database.execute(("PRAGMA user_version = " + std::to_string(from + 1)).c_str());
    transaction.commit();
  }
}

}  // namespace cce
