// The quality checks of a pipeline file as datasets of the graph.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/checked_rows.h"
#include "engine/graph.h"

namespace millrace {

/// Puts the checks of a stream between it and its readers. For a dataset `d`:
///
///   d                    its SQL, as without checks
///   d:checks             its rows, each with the verdict of the checks on rows
///   d:passed             those that no check takes out; the watermark of `d` is that of these
///   d.once(id)           for each `unique`: the rows, and whether they are the first of their kind
///   d.once(id):checks, d.once(id):passed
///
/// The last of them is what readers and sinks of `d` get.
class CheckBuilder {
 public:
  CheckBuilder(Graph& graph, sql::Database& database, Diagnostics& diagnostics)
      : graph_(graph), database_(database), diagnostics_(diagnostics) {}

  /// `checked` is the dataset that gives the rows, the last of the graph so far; then declares its
  /// name. `watermark`: of its rows; nullptr: none. False: there was a mistake, which was reported.
  bool add(std::size_t checked, const ChecksSpec& checks, const WatermarkSpec* watermark);

 private:
  [[nodiscard]] bool check_columns(const CheckSpec& check);
  [[nodiscard]] bool check_expression(const CheckSpec& check);
  [[nodiscard]] bool check_reference(const CheckSpec& check);
  [[nodiscard]] bool check_sequence(const CheckSpec& check);
  [[nodiscard]] bool is_sound(const CheckSpec& check);
  void report(const CheckSpec& check, const std::string& text, const std::string& hint = "");

  [[nodiscard]] std::string condition(const CheckSpec& check) const;
  DatasetNode& append(const std::string& name, const std::string& sql);
  void add_step(const std::string& name, const std::string& from, CheckStep step,
                const std::vector<std::string>& conditions);
  void add_passed(const std::string& name, const CheckStep* step, const std::string& from);
  void add_unique(const CheckSpec& check, std::string& from);
  [[nodiscard]] std::string columns() const;

  Graph& graph_;
  sql::Database& database_;
  Diagnostics& diagnostics_;
  int checked_ = -1;
  std::string of_;
  Schema schema_;
};

/// The name under which the rows of a dataset are declared before they were checked.
[[nodiscard]] std::string unchecked_name(const std::string& name);

}  // namespace millrace
