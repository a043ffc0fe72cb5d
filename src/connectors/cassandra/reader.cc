#include "connectors/cassandra/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/retry.h"

namespace millrace::cassandra {

namespace {

/// The cells of a row as they came, for people: {"id": "0x00000007", "name": null}.
std::string row_text(const ScanPlan& plan, const RowCells& cells) {
  auto row = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < plan.schema.size(); ++i) {
    const auto& cell = cells.all()[i];
    std::string text = "0x";
    for (const char byte : cell.value_or("")) {
      text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    row[plan.schema.columns[i].name] =
        cell ? nlohmann::ordered_json(std::move(text)) : nlohmann::ordered_json();
  }
  return row.dump();
}

Rows checked(std::optional<Rows> rows) {
  if (!rows) {
    throw Error(Blame::external, "rows were asked for, and something else came", Retry::yes);
  }
  return *std::move(rows);
}

}  // namespace

Consistency consistency_of(const ConnectionOptions& connection, const SourceOptions& options) {
  return options.consistency.value_or(connection.is_keyspaces() ? Consistency::local_quorum
                                                                : Consistency::local_one);
}

std::unique_ptr<Reached> reach(const ConnectionOptions& connection, const std::string& name,
                               const std::string& text, const std::stop_token& stop) {
  const Retrier retrier(stop, Log().with("source", name),
                        {.first_pause = std::chrono::milliseconds(50),
                         .longest_pause = std::chrono::milliseconds(5'000),
                         .patience = connection.retry_timeout});
  try {
    return retrier([&] {
      Cluster cluster(connection, name, stop);
      auto statement = cluster.session().prepare(text);
      return std::make_unique<Reached>(std::move(cluster), std::move(statement));
    });
  } catch (const Stopped&) {
    throw;
  } catch (const Error& error) {
    throw Error(error.blame(), error.what());  // for good: who set `retry_timeout` wants an end
  }
}

struct PageReader::Page {
  explicit Page(std::string bytes)
      : body(std::move(bytes)), rows(checked(read_rows(body))), cells(rows, body) {}
  std::string body;
  Rows rows;
  RowCells cells;
};

PageReader::PageReader(const ScanPlan& plan, const SourceOptions& options, Consistency consistency,
                       const std::string& name, Reached& reached, std::deque<PageRequest> requests,
                       MalformedReceiver& malformed)
    : plan_(plan),
      options_(options),
      consistency_(consistency),
      name_(name),
      reached_(reached),
      malformed_(malformed),
      to_ask_(std::move(requests)) {}

PageReader::~PageReader() = default;

std::size_t PageReader::read(ChunkWriter& to) {
  columns_.begin(to, plan_.schema.size());
  std::size_t rows = 0;
  while (rows < kChunkRows && find_row()) {
    rows += take_row(rows) ? 1 : 0;
  }
  return rows;
}

/// Goes to the next row, waiting for pages; false: there are no more.
bool PageReader::find_row() {
  Session& session = reached_.cluster.session();
  while (page_ == nullptr || !page_->cells.next()) {
    page_.reset();
    ask();
    if (session.pending() == 0) {
      return false;
    }
    Answer answer = session.next();
    answer.check("reading " + plan_.table.text());
    page_ = std::make_unique<Page>(std::move(answer.body));
    auto asked = asked_.extract(answer.tag);
    if (page_->rows.columns.size() != plan_.converters.size()) {
      throw Error(Blame::external,
                  fmt::format("table {} was changed while it was read", plan_.table.text()),
                  Retry::yes);
    }
    if (!page_->rows.paging_state.empty()) {
      asked.mapped().paging_state = page_->rows.paging_state;
      to_ask_.push_front(std::move(asked.mapped()));
    }
    ask();
  }
  return true;
}

void PageReader::ask() {
  Session& session = reached_.cluster.session();
  const std::size_t held = page_ == nullptr ? 0 : 1;
  while (!to_ask_.empty() &&
         std::cmp_less(session.pending() + held, std::max<std::int64_t>(options_.parallelism, 2))) {
    PageRequest request = std::move(to_ask_.front());
    to_ask_.pop_front();
    session.submit(
        {.opcode = Opcode::execute,
         .body = execute_body(session.version(), reached_.statement, request.values,
                              {.consistency = consistency_,
                               .page_rows = static_cast<std::int32_t>(options_.page_rows),
                               .paging_state = request.paging_state}),
         .token = request.token,
         .tag = next_tag_});
    asked_.emplace(next_tag_++, std::move(request));
  }
}

/// False: it is malformed.
bool PageReader::take_row(std::size_t row) {
  columns_.mark();
  for (std::size_t i = 0; i < plan_.converters.size(); ++i) {
    if (columns_[i] == nullptr) {
      continue;
    }
    if (auto why = plan_.converters[i].read(page_->cells.all()[i], *columns_[i], row)) {
      columns_.forget(row);
      refuse(plan_.schema.columns[i].name, *std::move(why));
      return false;
    }
  }
  return true;
}

void PageReader::refuse(const std::string& column, std::string why) {
  if (options_.on_malformed == OnMalformed::fail) {
    throw Error(Blame::external,
                fmt::format("source {}: table {}: {}: {}", name_, plan_.table.text(), column, why));
  }
  const MalformedRow row{.origin = plan_.table.text(),
                         .column = column,
                         .raw = row_text(plan_, page_->cells),
                         .reason = std::move(why)};
  if (options_.on_malformed == OnMalformed::drop) {
    malformed_.drop(row);
  } else {
    malformed_.add(row);
  }
}

}  // namespace millrace::cassandra
