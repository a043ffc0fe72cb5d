// The options of a pipeline file that are millrace's own and no connector's, each declared once.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "core/sink.h"
#include "spec/pipeline.h"

namespace millrace {

template <>
struct EnumNames<OutputMode> {
  static constexpr EnumWord<OutputMode> kWords[] = {{OutputMode::append, "append"},
                                                    {OutputMode::update, "update"},
                                                    {OutputMode::complete, "complete"}};
};

/// How the rows of a source are to be taken.
enum class ReadAs : std::uint8_t { stream, table, lookup };
template <>
struct EnumNames<ReadAs> {
  static constexpr EnumWord<ReadAs> kWords[] = {
      {ReadAs::stream, "stream"}, {ReadAs::table, "table"}, {ReadAs::lookup, "lookup"}};
};

template <>
struct EnumNames<WatermarkPolicy> {
  static constexpr EnumWord<WatermarkPolicy> kWords[] = {{WatermarkPolicy::min, "min"},
                                                         {WatermarkPolicy::max, "max"}};
};

/// Triggers that are a word and not a duration.
template <>
struct EnumNames<TriggerSpec::Kind> {
  static constexpr EnumWord<TriggerSpec::Kind> kWords[] = {
      {TriggerSpec::Kind::once, "once"},
      {TriggerSpec::Kind::available_now, "available_now"},
      {TriggerSpec::Kind::as_fast_as_possible, "as_fast_as_possible"}};
};

template <>
struct EnumNames<Otherwise> {
  static constexpr EnumWord<Otherwise> kWords[] = {{Otherwise::warn, "warn"},
                                                   {Otherwise::drop, "drop"},
                                                   {Otherwise::quarantine, "quarantine"},
                                                   {Otherwise::fail, "fail"}};
};

/// The keys of the file itself.
struct PipelineOptions {
  std::string pipeline;
  Node trigger;
  int threads = 0;
  std::int64_t memory_limit_bytes = 0;
  WatermarkPolicy watermark_policy = WatermarkPolicy::min;
  Node checkpoint;
  Node connections;
  Node sources;
  Node datasets;
  Node checks;
  Node sinks;
  Node quarantine;
  Node serve;
  Node alerts;
  Node control;
  Node history;
};

/// What every connection has, whatever its type.
struct ConnectionOptions {
  std::string type;
};

/// What every source has, whatever it reads from.
struct SourceOptions {
  Node from;
  ReadAs as = ReadAs::stream;
  std::optional<std::chrono::milliseconds> refresh;
  std::vector<std::string> key;
  std::optional<std::chrono::milliseconds> cache_ttl;
  std::optional<std::int64_t> cache_rows;
  std::optional<Bytes> cache_size;
  Node watermark;
  std::optional<double> alert_malformed_share;
};

/// A dataset that is a mapping, and not just its SQL.
struct DatasetOptions {
  Node sql;
  Node watermark;
  std::optional<std::chrono::milliseconds> state_ttl;
};

/// A quality check.
struct CheckOptions {
  std::string name;
  Node expect;
  std::string references;
  std::string column;
  std::vector<std::string> unique;
  std::string sequence;
  std::optional<double> max_share;
  Otherwise otherwise = Otherwise::warn;
};

/// What every sink has, whatever it writes to.
struct SinkOptions {
  std::string from;
  std::string late;
  Node to;
  std::optional<OutputMode> mode;
  std::vector<std::string> key;
  std::string delete_column;
};

/// Where all that is put aside is written, too.
struct QuarantineOptions {
  Node to;
};

[[nodiscard]] OptionTable<PipelineOptions> pipeline_table();
[[nodiscard]] OptionTable<CheckpointSpec> checkpoint_table();
[[nodiscard]] OptionTable<ConnectionOptions> connection_table();
[[nodiscard]] OptionTable<WatermarkSpec> watermark_table();
[[nodiscard]] OptionTable<SourceOptions> source_table();
[[nodiscard]] OptionTable<DatasetOptions> dataset_table();
[[nodiscard]] OptionTable<CheckOptions> check_table();
[[nodiscard]] OptionTable<SinkOptions> sink_table();
[[nodiscard]] OptionTable<QuarantineOptions> quarantine_table();

/// The rule of `pipeline:`, as a regular expression for the JSON Schema.
inline constexpr std::string_view kPipelineNamePattern = "^[a-z0-9][a-z0-9_-]*$";

}  // namespace millrace
