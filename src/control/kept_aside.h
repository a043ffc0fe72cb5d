// Rows that a pipeline has put aside, as operators find them.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/malformed.h"
#include "engine/quarantine_files.h"
#include "spec/pipeline.h"

namespace millrace::control {

/// A file of one of the three folders: what sources could not read, what sinks refused, and what
/// checks took out.
struct KeptAside {
  std::string kind;  ///< its folder: "quarantine", "refused", "violating"
  KeptFile file;

  /// "quarantine:orders:17"
  [[nodiscard]] std::string id() const;
  /// What brought a row there: the check's name, "malformed" or "refused".
  [[nodiscard]] std::string check_of(const MalformedRow& row) const;
};

/// Which rows are meant. Empty: all.
struct KeptFilter {
  std::string dataset;
  std::string check;
  std::string reason;  ///< a part of it, or of the column's name
  std::set<std::string> ids;

  [[nodiscard]] bool may_have(const KeptAside& kept) const;
  [[nodiscard]] bool has(const std::string& id, const MalformedRow& row,
                         const std::string& check_of_row) const;
};

/// The newest batch first.
[[nodiscard]] std::vector<KeptAside> kept_aside(const PipelineSpec& spec, const KeptFilter& filter);
/// Whether a file lies before that of a row in this order; a row of a file that is gone, too.
[[nodiscard]] bool lies_before(const KeptAside& kept, const std::string& row_id);

/// A row with its id, which says what is in it: other rows may go meanwhile. Rows that are equal in
/// everything are told apart by their order.
struct KeptRow {
  std::string id;
  std::size_t line = 0;  ///< in the file, from 0
  const MalformedRow& row;
};
/// A record in parts is that of the first. Until `visit` says false, which it gives back. A file
/// that has gone meanwhile has no rows.
bool visit_rows(const KeptAside& kept, const std::function<bool(const KeptRow&)>& visit);

/// Takes lines out of a file; their later parts with them.
void remove_lines(const KeptAside& kept, const std::set<std::size_t>& lines);

}  // namespace millrace::control
