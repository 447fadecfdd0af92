#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace cce {

/// An SQLite connection that turns result codes into Errors: disk_full, malformed_file, io_failure with the
/// path. One thread at a time.
class SqlDatabase {
 public:
  explicit SqlDatabase(const std::filesystem::path& file);

  void execute(const char* sql);  ///< one or more statements without parameters
  sqlite3* handle() const { return handle_.get(); }
  /// Throws what a result code means unless it is one of success.
  void check(int code) const;
  std::int64_t last_insert_number() const { return sqlite3_last_insert_rowid(handle_.get()); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
  };
  std::string where_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A prepared statement, bound in order of its parameters and then read row by row.
///   SqlStatement(database, "SELECT state FROM jobs WHERE id = ?").bind(id)
class SqlStatement {
 public:
  SqlStatement(const SqlDatabase& database, const char* sql);

  SqlStatement& bind(std::string_view text);
  SqlStatement& bind(std::int64_t value);
  SqlStatement& bind(double value);
  SqlStatement& bind_null();

  bool next();                         ///< whether there is another row
  void run();                          ///< to its end, rows ignored
  std::string text(int column) const;  ///< "" for NULL
  std::int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  double number(int column) const { return sqlite3_column_double(handle_.get(), column); }
  bool is_null(int column) const { return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL; }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  const SqlDatabase& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int bound_ = 0;
};

/// BEGIN IMMEDIATE until commit(); rolled back where that is never reached.
class SqlTransaction {
 public:
  explicit SqlTransaction(SqlDatabase& database);
  ~SqlTransaction();
  SqlTransaction(const SqlTransaction&) = delete;
  SqlTransaction& operator=(const SqlTransaction&) = delete;
  void commit();

 private:
  SqlDatabase& database_;
  bool open_ = true;
};

}  // namespace cce
