#include "coordinator/store/job_store_sql.h"

#include "common/base/error.h"

namespace cce {
namespace {

constexpr int busy_milliseconds = 5000;  // someone reads the file with sqlite3 beside the server

ErrorCode code_of(int result) {
  switch (result & 0xff) {  // the primary code of an extended one
    case SQLITE_FULL:
      return ErrorCode::disk_full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::malformed_file;
    default:
      return ErrorCode::io_failure;
  }
}

std::string remedy_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::disk_full:
      return "Free space where the server keeps its jobs (--data), then try again.";
    case ErrorCode::malformed_file:
      return "Move the file away; jobs can be resumed from their folders with 'cce resume'.";
    default:
      return "Try again; where it stays so, check the disk and who may write to this file.";
  }
}

Error sql_error(const std::string& where, int code, sqlite3* handle) {
  const std::string found = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  return Error{.code = code_of(code),
               .where = where,
               .found = found,
               .expected = "",
               .remedy = remedy_for(code_of(code))};
}

}  // namespace

SqlDatabase::SqlDatabase(const std::filesystem::path& file) : where_(file.string()) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(where_.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) {
    throw sql_error(where_, code, handle);
  }
  sqlite3_busy_timeout(handle, busy_milliseconds);
}

void SqlDatabase::execute(const char* sql) {
  check(sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr));
}

void SqlDatabase::check(int code) const {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
    throw sql_error(where_, code, handle_.get());
  }
}

SqlStatement::SqlStatement(const SqlDatabase& database, const char* sql) : database_(database) {
  sqlite3_stmt* handle = nullptr;
  database.check(sqlite3_prepare_v2(database.handle(), sql, -1, &handle, nullptr));
  handle_.reset(handle);
}

SqlStatement& SqlStatement::bind(std::string_view text) {
  database_.check(sqlite3_bind_text(handle_.get(), ++bound_, text.data(), static_cast<int>(text.size()),
                                    SQLITE_TRANSIENT));
  return *this;
}

SqlStatement& SqlStatement::bind(std::int64_t value) {
  database_.check(sqlite3_bind_int64(handle_.get(), ++bound_, value));
  return *this;
}

SqlStatement& SqlStatement::bind(double value) {
  database_.check(sqlite3_bind_double(handle_.get(), ++bound_, value));
  return *this;
}

SqlStatement& SqlStatement::bind_null() {
  database_.check(sqlite3_bind_null(handle_.get(), ++bound_));
  return *this;
}

bool SqlStatement::next() {
  const int code = sqlite3_step(handle_.get());
  database_.check(code);
  return code == SQLITE_ROW;
}

void SqlStatement::run() {
  while (next()) {
  }
}

std::string SqlStatement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(size));
}

SqlTransaction::SqlTransaction(SqlDatabase& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

SqlTransaction::~SqlTransaction() {
  if (open_) {
    sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);  // nothing more can be done
  }
}

void SqlTransaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace cce
