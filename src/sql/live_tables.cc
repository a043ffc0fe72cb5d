#include "sql/live_tables.h"

#include <algorithm>

#include "base/strings.h"
#include "sql/internal/live_tables.h"

namespace millrace::sql {

void LiveEndings::add(std::vector<LiveEnded> ended) {
  const std::unique_lock guard(lock_);
  std::ranges::move(ended, std::back_inserter(all_));
}

void LiveEndings::hold(std::int64_t commit) {
  const std::unique_lock guard(lock_);
  held_.insert(commit);
}

void LiveEndings::release(std::int64_t commit) {
  std::vector<LiveEnded> dropped;  // freed without the lock
  const std::unique_lock guard(lock_);
  held_.erase(held_.find(commit));
  while (!all_.empty() && (held_.empty() || all_.front().commit <= *held_.begin())) {
    dropped.push_back(std::move(all_.front()));
    all_.pop_front();
  }
}

LiveTable::LiveTable(std::string name, Schema schema, std::vector<std::size_t> key)
    : impl_(std::make_unique<Impl>(std::move(name), std::move(schema), std::move(key))) {}
LiveTable::~LiveTable() = default;
const std::string& LiveTable::name() const noexcept { return impl_->name; }
const Schema& LiveTable::schema() const noexcept { return impl_->schema; }
const std::vector<std::size_t>& LiveTable::key() const noexcept { return impl_->key; }
std::int64_t LiveTable::rows() const noexcept { return impl_->rows; }
std::int64_t LiveTable::bytes() const noexcept { return impl_->bytes; }
void LiveTable::upsert(Batch&& rows, std::int64_t batch) {
  Batch taken = std::move(rows);
  impl_->write(taken, batch, /*all=*/false);
}
void LiveTable::replace(Batch&& rows, std::int64_t batch) {
  Batch taken = std::move(rows);
  impl_->write(taken, batch, /*all=*/true);
}

const LiveMoment* LiveSnapshot::Impl::of(const LiveTable& table) const {
  const auto found = std::ranges::find(tables, &table,
                                       [](const LiveMoment& moment) { return moment.table.get(); });
  return found == tables.end() || found->stamp == 0 ? nullptr : &*found;
}

std::optional<std::int64_t> LiveSnapshot::Impl::commit_of(std::int64_t batch) const {
  for (std::size_t i = 0; i < runs->size(); ++i) {
    const Run& run = (*runs)[i];
    if (batch < run.batch) {
      return i == 0 ? std::nullopt : std::optional(run.commit - 1);
    }
    // Of a batch that was committed again the first time counts: what came later is news to those
    // who saw it then.
    const bool last = i + 1 == runs->size();
    if (last || batch - run.batch < (*runs)[i + 1].commit - run.commit) {
      return run.commit + (batch - run.batch);
    }
  }
  return std::nullopt;
}

const LiveVersion& LiveSnapshot::version() const noexcept {
  static const LiveVersion kNone;
  return impl_ == nullptr ? kNone : impl_->version;
}

std::int64_t LiveSnapshot::changed_at(const LiveTable& table) const {
  const auto* moment = impl_ == nullptr ? nullptr : impl_->of(table);
  return moment == nullptr ? -1 : moment->changed_at;
}

std::int64_t LiveSnapshot::stamp(const LiveTable& table) const {
  const auto* moment = impl_ == nullptr ? nullptr : impl_->of(table);
  return moment == nullptr ? 0 : moment->stamp;
}

std::int64_t LiveSnapshot::rows(const LiveTable& table) const {
  const auto* moment = impl_ == nullptr ? nullptr : impl_->of(table);
  return moment == nullptr ? 0 : moment->rows;
}

namespace {

using FoundRow = std::pair<std::shared_ptr<const LivePage>, std::size_t>;

/// The row of a key that a moment sees; nullptr: none.
FoundRow find_row(const LiveSnapshot::Impl& moment, const LiveTable& table,
                  const std::string& key) {
  const auto& inside = table.impl();
  const std::uint64_t hash = std::hash<std::string_view>()(key);
  auto found = inside.index.look_up(
      hash, [&](LiveRow row) { return inside.has_key(row.page->rows(), row.row, key); });
  if (found.first != nullptr && found.first->is_there(found.second, moment.commit)) {
    return found;
  }
  // Whatever took its place did so later.
  found = moment.endings->find(
      &table, moment.commit, hash,
      [&](const LivePage& page, std::size_t row) { return inside.has_key(page.rows(), row, key); });
  if (found.first != nullptr && found.first->begin(found.second) > moment.commit) {
    found.first = nullptr;
  }
  return found;
}

/// The chosen rows of a page, as a chunk.
void give(const LivePage& page, duckdb::SelectionVector& chosen, std::size_t count,
          const std::function<void(const Chunk&)>& call) {
  if (count == page.size()) {
    call(page.chunk());
    return;
  }
  if (count == 0) {
    return;
  }
  LivePage part(page.rows().GetTypes(), count);
  part.append(page, chosen, count);
  part.seal();
  call(part.chunk());
}

}  // namespace

bool LiveSnapshot::find(const LiveTable& table, std::span<const ReadValue> key,
                        const std::function<void(const Chunk&, std::size_t)>& found) const {
  std::string bytes;
  if (impl_ == nullptr || impl_->of(table) == nullptr || !table.impl().key_bytes(key, bytes)) {
    return false;
  }
  const auto [page, row] = find_row(*impl_, table, bytes);
  if (page == nullptr) {
    return false;
  }
  found(page->chunk(), row);
  return true;
}

bool LiveSnapshot::changes(const LiveTable& table, std::int64_t after,
                           const std::function<void(const Chunk& rows, bool gone)>& call) const {
  const auto* moment = impl_ == nullptr ? nullptr : impl_->of(table);
  if (moment == nullptr) {
    return after < 0 || after == version().batch;
  }
  const auto give_rows = [&](const Chunk& rows) { call(rows, false); };
  const auto give_gone = [&](const Chunk& rows) { call(rows, true); };
  const bool whole = after < 0;
  const auto since = whole ? std::optional<std::int64_t>(0) : impl_->commit_of(after);
  if (!since || (!whole && *since < moment->gone_from)) {
    return false;
  }
  duckdb::SelectionVector chosen(kChunkRows);
  for (const auto& page : *moment->pages) {
    if (page->last_begin() > *since) {
      give(*page, chosen, page->select(impl_->commit, *since, chosen), give_rows);
    }
  }
  const auto& inside = table.impl();
  std::string key;
  for (std::size_t p = 0; p < moment->gone->size() && !whole; ++p) {
    const LivePage& page = *(*moment->gone)[p];
    std::size_t count = 0;
    for (std::size_t row = 0; row < page.size(); ++row) {
      if (page.end(row) <= *since) {
        continue;
      }
      if (inside.key.empty()) {  // who did not see it come need not see it go
        chosen.set_index(count, row);
        count += page.begin(row) <= *since ? 1 : 0;
        continue;
      }
      key.clear();
      inside.append_key(page.rows(), row, key);
      chosen.set_index(count, row);
      count += find_row(*impl_, table, key).first == nullptr ? 1 : 0;
    }
    give(page, chosen, count, give_gone);
  }
  return true;
}

void LiveSnapshot::for_each(const LiveTable& table,
                            const std::function<void(const Chunk&)>& call) const {
  const auto* moment = impl_ == nullptr ? nullptr : impl_->of(table);
  if (moment == nullptr) {
    return;
  }
  duckdb::SelectionVector chosen(kChunkRows);
  for (const auto& page : *moment->pages) {
    give(*page, chosen, page->select(impl_->commit, -1, chosen), call);
  }
}

LiveTables::LiveTables(std::int64_t history_bytes) : impl_(std::make_shared<Impl>(history_bytes)) {}
LiveTables::~LiveTables() = default;

std::shared_ptr<LiveTable> LiveTables::find(std::string_view name) const {
  const std::lock_guard guard(impl_->lock);
  const auto found = std::ranges::find_if(
      impl_->tables, [&](const auto& table) { return equal_ignoring_case(table->name(), name); });
  return found == impl_->tables.end() ? nullptr : *found;
}

std::shared_ptr<LiveTable> LiveTables::open(const std::string& name, const Schema& schema,
                                            const std::vector<std::size_t>& key) {
  const std::lock_guard guard(impl_->lock);
  for (auto& table : impl_->tables) {
    if (equal_ignoring_case(table->name(), name)) {
      if (table->schema() != schema || table->key() != key) {
        table = std::make_shared<LiveTable>(name, schema, key);
      }
      return table;
    }
  }
  return impl_->tables.emplace_back(std::make_shared<LiveTable>(name, schema, key));
}

std::vector<std::shared_ptr<LiveTable>> LiveTables::all() const {
  const std::lock_guard guard(impl_->lock);
  return impl_->tables;
}

std::int64_t LiveTables::bytes() const {
  std::int64_t bytes = 0;
  for (const auto& table : all()) {
    bytes += table->bytes();
  }
  return bytes;
}

namespace {

using Run = LiveSnapshot::Impl::Run;

/// The runs of batches with one more commit.
std::shared_ptr<const std::vector<Run>> add_run(const LiveSnapshot::Impl* before,
                                                std::int64_t batch, std::int64_t commit) {
  constexpr std::size_t kMostRuns = 4096;
  if (before == nullptr || batch < before->version.batch) {
    return std::make_shared<const std::vector<Run>>(std::vector<Run>{{batch, commit}});
  }
  if (batch == before->version.batch + 1) {
    return before->runs;
  }
  auto runs = *before->runs;
  if (runs.size() >= kMostRuns) {
    runs.erase(runs.begin(), runs.begin() + (kMostRuns / 2));
  }
  runs.push_back({batch, commit});
  return std::make_shared<const std::vector<Run>>(std::move(runs));
}

}  // namespace

void LiveTables::commit(const LiveVersion& version) {
  const auto before = snapshot();
  const auto* last = before.impl();
  const std::int64_t number = last == nullptr ? 1 : last->commit + 1;
  auto now = std::make_shared<LiveSnapshot::Impl>(impl_->endings, number);
  now->version = version;
  now->runs = add_run(last, version.batch, number);
  std::vector<LiveEnded> ended;
  for (auto& table : all()) {
    const auto* known = last == nullptr ? nullptr : last->of(*table);
    now->tables.push_back(known == nullptr ? LiveMoment{.table = table} : *known);
    LiveEnded of_table{.commit = number, .table = table, .rows = {}};
    if (table->impl().ends(version.batch, of_table)) {
      ended.push_back(std::move(of_table));
    }
  }
  // Readers of earlier moments must find there what the index no longer has.
  impl_->endings->add(std::move(ended));
  for (LiveMoment& moment : now->tables) {
    moment.table->impl().commit(version.batch, number, impl_->history_bytes, moment);
  }
  {
    const std::lock_guard guard(impl_->lock);
    impl_->now = std::move(now);
  }
  impl_->committed.notify_all();
  const std::lock_guard guard(impl_->calling);
  for (const auto& call : impl_->calls) {
    call(version);
  }
}

LiveSnapshot LiveTables::snapshot() const {
  const std::lock_guard guard(impl_->lock);
  return LiveSnapshot(impl_->now);
}

bool LiveTables::wait_for(std::int64_t batch, std::chrono::steady_clock::time_point until,
                          const std::stop_token& stop) const {
  std::unique_lock guard(impl_->lock);
  return impl_->committed.wait_until(guard, stop, until, [&] {
    return impl_->now != nullptr && impl_->now->version.batch >= batch;
  });
}

LiveTables::Handle LiveTables::on_commit(std::function<void(const LiveVersion&)> call) {
  const std::lock_guard guard(impl_->calling);
  impl_->calls.push_back(std::move(call));
  const auto at = std::prev(impl_->calls.end());
  return {&*at, [impl = impl_, at](void*) {
            const std::lock_guard calling(impl->calling);
            impl->calls.erase(at);
          }};
}

}  // namespace millrace::sql
