#include "serve/absent.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "spec/sql_text.h"

namespace millrace::serve {
namespace {

constexpr std::chrono::seconds kPause{1};

/// What the pipeline itself reads, and what its alerts ask, in lower case; words that are no names
/// do no harm.
std::vector<std::string> words_of_pipeline(const PipelineSpec& spec) {
  std::vector<std::string> words = spec.alerts.names();
  for (const DatasetSpec& dataset : spec.datasets) {
    const SqlWords read = scan_sql(dataset.sql.text);
    words.insert(words.end(), read.names.begin(), read.names.end());
  }
  for (const SinkSpec& sink : spec.sinks) {
    words.push_back(to_lower(sink.from));
  }
  for (const ChecksSpec& checks : spec.checks) {
    words.push_back(to_lower(checks.of));
    for (const CheckSpec& check : checks.checks) {
      words.push_back(to_lower(check.table));
    }
  }
  return words;
}

/// Whether its system is away. Its mistakes are told of when it is planned.
bool is_away(const SourceSpec& source, const SourceParts& parts) {
  try {
    Diagnostics mistakes;
    if (const auto made = make_source(parts, source, mistakes)) {
      (void)made->schema();
    }
  } catch (const Error& error) {
    return error.retry() != Retry::no;
  }
  return false;
}

}  // namespace

PipelineSpec without_absent(const PipelineSpec& spec, const ConnectorList& connectors,
                            sql::Database& database, const std::stop_token& stop) {
  PipelineSpec rest = spec;
  if (!spec.serve) {
    return rest;
  }
  const auto own = words_of_pipeline(spec);
  const auto served = spec.serve->names();
  const SourceParts parts{
      .spec = spec, .connectors = connectors, .database = database, .stop = stop};
  std::erase_if(rest.sources, [&](const SourceSpec& source) {
    const auto name = to_lower(source.name);
    return source.table && std::ranges::binary_search(served, name) &&
           std::ranges::find(own, name) == own.end() && is_away(source, parts);
  });
  return rest;
}

void Absent::add(const SourceSpec& source, std::string why) {
  const std::lock_guard guard(lock_);
  missing_.push_back({&source, ""});
  note(missing_.back(), std::move(why));
}

/// Says what is wrong once, and what is wrong then.
void Absent::note(Missing& missing, std::string why) const {
  if (why != missing.why) {
    Log()
        .with("pipeline", parts_.spec.name)
        .warn("source {}: {}; requests that need it get 503 until it is there", missing.spec->name,
              why);
    missing.why = std::move(why);
  }
}

bool Absent::empty() const {
  const std::lock_guard guard(lock_);
  return missing_.empty();
}

bool Absent::has_one_of(const std::vector<std::string>& names) const {
  const std::lock_guard guard(lock_);
  return std::ranges::any_of(missing_, [&](const Missing& each) {
    return std::ranges::any_of(
        names, [&](const std::string& name) { return equal_ignoring_case(name, each.spec->name); });
  });
}

void Absent::wait(std::function<bool()> look) {
  thread_ = std::jthread([look = std::move(look)](const std::stop_token& stop) {
    std::mutex lock;
    std::condition_variable_any stopped;
    std::unique_lock guard(lock);
    while (!stopped.wait_for(guard, stop, kPause, [] { return false; }) && !stop.stop_requested() &&
           !look()) {
    }
  });
}

std::vector<std::shared_ptr<Readable>> Absent::look() {
  std::vector<Missing> missing;
  {
    const std::lock_guard guard(lock_);
    missing = missing_;
  }
  std::vector<std::shared_ptr<Readable>> found;
  for (Missing& each : missing) {
    try {
      found.push_back(readable_source(parts_, *each.spec));
      Log().with("pipeline", parts_.spec.name).info("source {} is there", each.spec->name);
      each.spec = nullptr;
    } catch (const Error& error) {
      note(each, error.what());
    }
  }
  std::erase_if(missing, [](const Missing& each) { return each.spec == nullptr; });
  const std::lock_guard guard(lock_);
  missing_ = std::move(missing);
  return found;
}

void Absent::stop() { thread_ = {}; }

}  // namespace millrace::serve
