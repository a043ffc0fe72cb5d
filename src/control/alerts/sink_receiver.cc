// Alerts as rows of a topic, a folder of files, or whatever a connector can append to.
#include <fmt/core.h>

#include "base/log.h"
#include "control/alerts/receiver.h"
#include "sql/batch.h"
#include "sql/database.h"

namespace millrace::control {
namespace {

/// One notice as one row.
class NoticeReader final : public RowReader {
 public:
  explicit NoticeReader(const AlertNotice& notice) : notice_(notice) {}

  std::size_t read(ChunkWriter& to) override {
    if (std::exchange(done_, true)) {
      return 0;
    }
    std::size_t at = 0;
    const auto text = [&](std::string_view value) { to.set_string(at++, 0, value); };
    const auto time = [&](std::int64_t us) { to.values<std::int64_t>(at++)[0] = us; };
    const auto number = [&](const OrderedJson& value) {
      if (value.is_number()) {
        to.values<double>(at)[0] = value.get<double>();
      } else {
        to.set_null(at, 0);
      }
      at++;
    };
    text(notice_.id);
    time(notice_.at_us);
    time(notice_.since_us);
    text(notice_.pipeline);
    text(notice_.alert);
    text(word_of(notice_.state));
    text(enum_word(notice_.severity));
    number(notice_.value);
    number(notice_.threshold);
    to.values<std::int64_t>(at)[0] = notice_.batch;
    if (notice_.batch < 0) {
      to.set_null(at, 0);
    }
    at++;
    text(notice_.message);
    put_labels(*to.column(at));
    return 1;
  }

 private:
  void put_labels(ColumnWriter& column) const {
    column.begin_list(0);
    for (const auto& [name, value] : notice_.labels) {
      const std::size_t element = column.add_element(0);
      column.parts()[0]->set_string(element, name);
      column.parts()[1]->set_string(element, value);
    }
  }

  const AlertNotice& notice_;
  bool done_ = false;
};

/// Rows that a sink can't write: the reason is what matters.
class RefusedNotices final : public MalformedReceiver {
 public:
  void add(const MalformedRow& row) override { reason_ = row.reason; }
  void drop(const MalformedRow& row) override { reason_ = row.reason; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  std::string reason_;
};

/// Each notice is a batch of one row, with the receiver's number of it: so a sink that recognises
/// batches that are repeated writes each notice exactly once.
class SinkReceiver final : public AlertReceiver {
 public:
  SinkReceiver(const AlertReceiverSpec& spec, AlertSinkPlace place)
      : spec_(spec), place_(std::move(place)) {}
  ~SinkReceiver() override {
    try {
      if (sink_ != nullptr) {
        sink_->close();
      }
    } catch (const Error& error) {
      Log().with("pipeline", place_.spec.name).warn("receiver {}: {}", spec_.name, error.what());
    }
  }

  std::optional<Trouble> send(const AlertNotice& notice, std::int64_t number,
                              const std::stop_token& /*stop*/) override {
    try {
      open(number);
      return write(notice, number);
    } catch (const Stopped&) {
      throw;
    } catch (const Error& error) {
      sink_.reset();  // the next attempt begins afresh
      return Trouble{.text = error.what()};
    }
  }

 private:
  void open(std::int64_t number) {
    if (sink_ != nullptr) {
      return;
    }
    if (database_ == nullptr) {
      database_ = std::make_unique<sql::Database>(
          sql::Database::Options{.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""});
    }
    Diagnostics diagnostics;
    auto sink =
        find_connector(place_.connectors, spec_.connector)
            ->make_sink({"alerts-" + spec_.name, spec_.at, &spec_.connection, &spec_.options,
                         place_.spec.base_dir, database_.get(), false, place_.stop},
                        diagnostics);
    if (sink == nullptr) {
      throw Error(Blame::user, diagnostics.text());
    }
    const std::string folder = place_.folder + "/" + spec_.name;
    sink->open({.schema = alert_columns(),
                .mode = OutputMode::append,
                .key = {},
                .delete_column = "",
                .last_committed = number > 0 ? std::optional(number - 1) : std::nullopt,
                .pipeline = place_.spec.name,
                .checkpoint = place_.ledger,
                .staging = folder + "/staging",
                .folder = folder + "/kept"});
    sink_ = std::move(sink);
  }

  std::optional<Trouble> write(const AlertNotice& notice, std::int64_t number) {
    sql::Batch rows(alert_columns());
    NoticeReader reader(notice);
    rows.read(reader);
    RefusedNotices refused;
    sink_->next_batch_time(notice.at_us);
    const auto batch = sink_->begin(number, refused);
    const auto writer = batch->writer();
    rows.for_each([&](const Chunk& chunk) { writer->write(chunk); });
    writer->finish();
    batch->stage();
    batch->publish();
    sink_->committed(number);
    if (!refused.reason().empty()) {
      return Trouble{.text = refused.reason(), .is_lasting = true};
    }
    return std::nullopt;
  }

  const AlertReceiverSpec& spec_;
  AlertSinkPlace place_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<Sink> sink_;
};

}  // namespace

Schema alert_columns() {
  Schema schema;
  const auto add = [&](const char* name, const char* type) {
    schema.columns.push_back({name, type, physical_of(type)});
  };
  schema.columns.reserve(12);
  add("id", "VARCHAR");
  add("at", "TIMESTAMP WITH TIME ZONE");
  add("since", "TIMESTAMP WITH TIME ZONE");
  add("pipeline", "VARCHAR");
  add("alert", "VARCHAR");
  add("state", "VARCHAR");
  add("severity", "VARCHAR");
  add("value", "DOUBLE");
  add("threshold", "DOUBLE");
  add("batch", "BIGINT");
  add("message", "VARCHAR");
  add("labels", "MAP(VARCHAR, VARCHAR)");
  return schema;
}

std::unique_ptr<AlertReceiver> make_sink_receiver(const AlertReceiverSpec& spec,
                                                  AlertSinkPlace place) {
  return std::make_unique<SinkReceiver>(spec, std::move(place));
}

}  // namespace millrace::control
