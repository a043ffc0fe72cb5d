// The part of DuckDB's JSON reader that lies below read_json. libduckdb.so exports it, but its
// headers are not among the installed ones (and pull in DuckDB's own copy of fmt), so it is
// declared here: extension/json/include/json_transform.hpp and
// third_party/yyjson/include/yyjson.hpp of the one version that Database accepts. file_json_test.cc
// would notice a difference.
#pragma once

#include <cstddef>
#include <cstdint>

#include "duckdb/function/cast/default_casts.hpp"
#include "sql/internal/duckdb.h"

namespace duckdb_yyjson {

struct yyjson_val {
  std::uint64_t tag;  // the type is in the lowest three bits
  std::uint64_t payload;
};
struct yyjson_doc {
  yyjson_val* root;
  // more follows
};
struct yyjson_alc {
  void* (*malloc)(void* context, std::size_t size);
  void* (*realloc)(void* context, void* pointer, std::size_t old_size, std::size_t size);
  void (*free)(void* context, void* pointer);
  void* ctx;
};
struct yyjson_read_err {
  std::uint32_t code;
  const char* msg;
  std::size_t pos;
};

inline constexpr std::uint64_t kTypeMask = 7;
inline constexpr std::uint64_t kTypeObject = 7;
inline constexpr std::uint32_t kReadBigNumberAsRaw = 1U << 7U;

extern "C++" yyjson_doc* yyjson_read_opts(char* text, std::size_t size, std::uint32_t flags,
                                          const yyjson_alc* allocator, yyjson_read_err* error);

}  // namespace duckdb_yyjson

namespace duckdb {

struct DateFormatMap;

struct JSONTransformOptions {
  JSONTransformOptions(bool strict_cast, bool error_duplicate_key, bool error_missing_key,
                       bool error_unknown_key);
  bool strict_cast = false;
  bool error_duplicate_key = false;
  bool error_missing_key = false;
  bool error_unknown_key = false;
  bool delay_error = false;
  optional_ptr<const DateFormatMap> date_format_map = nullptr;
  string error_message;
  idx_t object_index = DConstants::INVALID_INDEX;
  CastParameters parameters;
};

struct JSONTransform {
  static bool TransformObject(duckdb_yyjson::yyjson_val* objects[],
                              duckdb_yyjson::yyjson_alc* allocator, idx_t count,
                              const vector<string>& names, const vector<Vector*>& results,
                              JSONTransformOptions& options,
                              optional_ptr<const vector<ColumnIndex>> columns,
                              bool error_unknown_key);
};

}  // namespace duckdb
