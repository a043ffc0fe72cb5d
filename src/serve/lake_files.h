// The files of a lake, and which of them can have the rows that a query asks for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/readable_sink.h"
#include "serve/readable.h"
#include "sql/kept_files.h"

namespace millrace::serve {

/// The values in a path that all rows of its file have ("date=2024-02-29"), decoded.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> partition_of(std::string_view path);

/// A list of files, as of a moment. Immutable.
class LakeFiles {
 public:
  LakeFiles() = default;
  LakeFiles(const Schema& schema, const std::vector<FileScan::File>& files);

  [[nodiscard]] std::span<const sql::KeptFile> all() const noexcept { return files_; }
  /// Those that can have rows that a query asks for with these values.
  [[nodiscard]] std::vector<const sql::KeptFile*> that_matter(const QueryRun& run,
                                                              std::string_view relation) const;
  /// Whether the paths say the values of a column.
  [[nodiscard]] bool is_in_paths(std::size_t column) const;

 private:
  /// What a path says of a column: a number of its type, or a text; monostate: it can't be said.
  using Value = std::variant<std::monostate, std::int64_t, std::string>;
  struct Part {
    std::size_t column = 0;  ///< of the schema
    bool is_null = false;
    Value value;
  };
  struct Wanted {
    std::size_t column = 0;
    sql::Demand::Op op = sql::Demand::Op::equal;
    Value value;
  };
  /// The files by what their paths say of a column.
  struct Sorted {
    struct Place {
      Value value;
      std::size_t file = 0;
    };
    std::size_t column = 0;
    std::vector<Place> places;        ///< by value
    std::vector<std::size_t> others;  ///< of which it is not known
  };
  void sort();
  /// The places of files beside which none can have what is wanted, in their order.
  [[nodiscard]] std::vector<std::size_t> candidates(std::span<const Wanted> wanted) const;
  [[nodiscard]] static Value parse(std::string_view text, const Column& column);
  [[nodiscard]] static Value value_of(const sql::ReadValue& value, const Column& column);
  [[nodiscard]] static bool may_have(std::span<const Part> parts, const Wanted& wanted);

  Schema schema_;
  std::vector<sql::KeptFile> files_;
  std::vector<std::vector<Part>> parts_;  ///< of each file
  std::vector<Sorted> sorted_;
};

}  // namespace millrace::serve
