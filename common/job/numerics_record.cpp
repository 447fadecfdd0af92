#include "common/job/numerics_record.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"

namespace cce {
namespace {

FileSystem::Path record_path(const JobDir& job) {
  return job.root() / "numerics.json";
}

/// Whether any checkpoint is there, whatever it was made from; an unfinished one is none.
bool keeps_work(const FileSystem& files, const JobDir& job) {
  const std::vector<std::string> names = files.list(job.state_root());
  return std::any_of(names.begin(), names.end(),
                     [](const std::string& name) { return !name.ends_with(".tmp"); });
}

[[noreturn]] void refuse(const NumericsIdentity& recorded, const NumericsIdentity& present,
                         const std::string& where) {
  std::string now, before;
  for (const NumericsDifference& difference : numerics_differences(recorded, present)) {
    before += (before.empty() ? "" : ", ") + difference.name + " " + difference.first;
    now += (now.empty() ? "" : ", ") + difference.name + " " + difference.second;
  }
  throw Error{
      .code = ErrorCode::impossible_combination,
      .where = where,
      .found = "here " + now,
      .expected = before + ", which the job's kept work was computed with",
      .remedy =
          "Resume on a machine of that kind, or choose its kernels with OPENBLAS_CORETYPE and "
          "DNNL_MAX_CPU_ISA. To mix both, with other bytes than either alone would give: cce resume " +
          where + " --allow-other-numerics"};
}

}  // namespace

std::string to_json(const NumericsRecord& record) {
  OrderedJson kinds = OrderedJson::array();
  for (const NumericsIdentity& identity : record.kinds) {
    kinds.push_back(OrderedJson::parse(to_json(identity)));
  }
  return pretty_json({{"schema_version", 1}, {"kinds", kinds}, {"next_may_differ", record.next_may_differ}});
}

NumericsRecord parse_numerics_record(std::string_view json_text, const std::string& where) {
  const Json document = parse_json(json_text, where, 4);
  JsonReader reader(document, where);
  reader.required("schema_version").integer({.lowest = 1, .highest = 1});
  NumericsRecord record;
  record.next_may_differ = reader.boolean_or("next_may_differ", false);
  reader.required("kinds").items();
  reader.refuse_unknown_keys();
  const OrderedJson ordered = OrderedJson::parse(json_text);  // keeps the order of facts
  for (const OrderedJson& kind : ordered.at("kinds")) {
    record.kinds.push_back(parse_numerics_identity(kind.dump(), where));
  }
  return record;
}

std::optional<NumericsRecord> read_numerics(const FileSystem& files, const JobDir& job) {
  const FileSystem::Path path = record_path(job);
  if (!files.exists(path)) {
    return std::nullopt;
  }
  return parse_numerics_record(files.read_text(path), path.string());
}

NumericsRecord with_attempt(const NumericsRecord& record, const NumericsIdentity& identity, bool keeps_work,
                            const std::string& where) {
  if (!keeps_work || record.kinds.empty()) {
    return {.kinds = {identity}, .next_may_differ = false};
  }
  NumericsRecord result{.kinds = record.kinds, .next_may_differ = false};
  if (!numerics_differences(record.kinds.back(), identity).empty()) {
    if (!record.next_may_differ) {
      refuse(record.kinds.back(), identity, where);
    }
    result.kinds.push_back(identity);
  }
  return result;
}

void write_numerics(FileSystem& files, const JobDir& job, const NumericsRecord& record) {
  files.write_atomic(record_path(job), to_json(record));
}

void record_attempt(FileSystem& files, const JobDir& job, const NumericsIdentity& identity) {
  const std::optional<NumericsRecord> before = read_numerics(files, job);
  const NumericsRecord after =
      with_attempt(before.value_or(NumericsRecord{}), identity, keeps_work(files, job), job.root().string());
  if (!before || to_json(after) != to_json(*before)) {
    write_numerics(files, job, after);
  }
}

void allow_other_numerics(FileSystem& files, const JobDir& job) {
  std::optional<NumericsRecord> record = read_numerics(files, job);
  if (record && !record->kinds.empty()) {
    record->next_may_differ = true;
    write_numerics(files, job, *record);
  }
}

}  // namespace cce
