#pragma once
#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace cce {

/// SQLite's way to the disk, with writes that fail: while this lives, databases that are opened go through
/// it. Every write, truncation, sync and growth of the index beside the log is one step. Nothing is synced
/// for real: tests of many steps would wait for the disk. One at a time, one thread.
class FaultySqlite {
 public:
  struct Fault {
    std::int64_t step = 0;   ///< 1 for the first after set_fault; 0 for none
    int code = SQLITE_FULL;  ///< what the step answers
    bool torn = false;       ///< a failing write leaves the first half of its bytes
    bool lasting = false;    ///< every later step fails as well, as on a disk that stays full
  };

  FaultySqlite() : real_(sqlite3_vfs_find(nullptr)) {
    self_ = *real_;
    self_.zName = "faulty";
    self_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    self_.pAppData = this;
    self_.xOpen = &open;
    if (sqlite3_vfs_register(&self_, 1) != SQLITE_OK) {
      throw std::logic_error("SQLite takes no other file system here");
    }
  }
  ~FaultySqlite() {
    sqlite3_vfs_unregister(&self_);
    sqlite3_vfs_register(real_, 1);
  }
  FaultySqlite(const FaultySqlite&) = delete;
  FaultySqlite& operator=(const FaultySqlite&) = delete;

  void set_fault(Fault fault) {
    fault_ = fault;
    steps_ = 0;
  }
  void mend() { set_fault({}); }
  std::int64_t steps() const { return steps_; }
  bool fault_was_reached() const { return fault_.step > 0 && steps_ >= fault_.step; }

 private:
  /// What SQLite knows of an open file; the real one lies right behind it.
  struct File {
    sqlite3_file base;
    FaultySqlite* owner;
  };

  static FaultySqlite& owner(sqlite3_file* file) { return *reinterpret_cast<File*>(file)->owner; }
  static sqlite3_file* real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<File*>(file) + 1);
  }

  bool fails() {
    ++steps_;
    return fault_.step > 0 && (fault_.lasting ? steps_ >= fault_.step : steps_ == fault_.step);
  }

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    auto* self = static_cast<FaultySqlite*>(vfs->pAppData);
    auto* opened = reinterpret_cast<File*>(file);
    opened->base.pMethods = nullptr;
    opened->owner = self;
    const int code = self->real_->xOpen(self->real_, name, real(file), flags, out_flags);
    if (code == SQLITE_OK) {
      opened->base.pMethods = &methods();
    }
    return code;
  }

  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    FaultySqlite& self = owner(file);
    if (self.fails()) {
      if (self.fault_.torn) {
        real(file)->pMethods->xWrite(real(file), bytes, count / 2, offset);
      }
      return self.fault_.code;
    }
    return real(file)->pMethods->xWrite(real(file), bytes, count, offset);
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    FaultySqlite& self = owner(file);
    return self.fails() ? self.fault_.code : real(file)->pMethods->xTruncate(real(file), size);
  }
  static int sync(sqlite3_file* file, int) {
    FaultySqlite& self = owner(file);
    return self.fails() ? self.fault_.code : SQLITE_OK;
  }
  static int map_index(sqlite3_file* file, int page, int bytes, int grow, void volatile** place) {
    FaultySqlite& self = owner(file);
    if (grow != 0 && self.fails()) {
      return self.fault_.code;
    }
    return real(file)->pMethods->xShmMap(real(file), page, bytes, grow, place);
  }

  /// The rest goes to the real file as it is.
  static const sqlite3_io_methods& methods() {
    static const sqlite3_io_methods table = [] {
      sqlite3_io_methods all{};
      all.iVersion = 2;
      all.xClose = [](sqlite3_file* file) {
        return real(file)->pMethods == nullptr ? SQLITE_OK : real(file)->pMethods->xClose(real(file));
      };
      all.xRead = [](sqlite3_file* file, void* bytes, int count, sqlite3_int64 offset) {
        return real(file)->pMethods->xRead(real(file), bytes, count, offset);
      };
      all.xWrite = &write;
      all.xTruncate = &truncate;
      all.xSync = &sync;
      all.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
        return real(file)->pMethods->xFileSize(real(file), size);
      };
      all.xLock = [](sqlite3_file* file, int kind) { return real(file)->pMethods->xLock(real(file), kind); };
      all.xUnlock = [](sqlite3_file* file, int kind) {
        return real(file)->pMethods->xUnlock(real(file), kind);
      };
      all.xCheckReservedLock = [](sqlite3_file* file, int* held) {
        return real(file)->pMethods->xCheckReservedLock(real(file), held);
      };
      all.xFileControl = [](sqlite3_file* file, int question, void* answer) {
        return real(file)->pMethods->xFileControl(real(file), question, answer);
      };
      all.xSectorSize = [](sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); };
      all.xDeviceCharacteristics = [](sqlite3_file* file) {
        return real(file)->pMethods->xDeviceCharacteristics(real(file));
      };
      all.xShmMap = &map_index;
      all.xShmLock = [](sqlite3_file* file, int offset, int count, int flags) {
        return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
      };
      all.xShmBarrier = [](sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); };
      all.xShmUnmap = [](sqlite3_file* file, int remove) {
        return real(file)->pMethods->xShmUnmap(real(file), remove);
      };
      return all;
    }();
    return table;
  }

  sqlite3_vfs* real_;
  sqlite3_vfs self_{};
  Fault fault_;
  std::int64_t steps_ = 0;
};

}  // namespace cce
