#include "core/sink.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace millrace {

std::string_view name_of(OutputMode mode) noexcept {
  switch (mode) {
    case OutputMode::append:
      return "append";
    case OutputMode::update:
      return "update";
    case OutputMode::complete:
      return "complete";
  }
  std::unreachable();
}

Compacted Sink::compact(const CompactOptions& /*options*/,
                        const std::function<void(const std::string&)>& /*say*/) {
  throw Error(Blame::user, "it writes no files that could be put together");
}

Schema written_columns(const SinkStart& start) {
  Schema schema = start.schema;
  if (!start.delete_column.empty()) {
    std::erase_if(schema.columns, [&](const Column& column) {
      return equal_ignoring_case(column.name, start.delete_column);
    });
  }
  return schema;
}

void check_published(const PublishedBatch& there, const SinkStart& start, std::string_view target) {
  if (start.mode == OutputMode::complete) {
    return;  // its rows are all replaced anyway
  }
  const bool ours = there.checkpoint == start.checkpoint;
  const auto last_committed = start.last_committed.value_or(-1);
  if (ours && there.batch <= last_committed + 1) {
    return;
  }
  throw Error(
      Blame::user,
      fmt::format("{} holds rows of this pipeline up to batch {}, {}; write to another table, or "
                  "drop this one to start over",
                  target, there.batch,
                  ours ? fmt::format("but the checkpoint ends with batch {}: it is an older copy",
                                     last_committed)
                       : "written with another checkpoint, which was removed or is elsewhere"));
}

}  // namespace millrace
