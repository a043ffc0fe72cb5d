// Tables of a running pipeline, for those who read them beside it.
#pragma once

#include <stop_token>

#include "spec/pipeline.h"
#include "sql/database.h"
#include "sql/live_tables.h"

namespace millrace::control {

/// The readable tables of a pipeline, which stay for as long as this is held; the pipeline's end
/// waits for it, after it has asked for it by `stop`.
struct ReadableTables {
  const PipelineSpec& spec;
  sql::Database& database;
  sql::LiveTables& tables;
  std::stop_token stop;
};

}  // namespace millrace::control
