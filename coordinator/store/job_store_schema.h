#pragma once

namespace cce {

class SqlDatabase;

/// Settings of every connection, then the migrations from the file's version to JobStore::schema_version, one
/// transaction each (PRAGMA user_version holds the version and moves with the schema).
/// Errors: unsupported for a newer file.
void migrate_job_store(SqlDatabase& database);

}  // namespace cce
