#include "support/rows.h"

#include <memory>
#include <mutex>

#include "sql/batch.h"
#include "sql/plan.h"
#include "sql/render.h"

namespace millrace::support {

namespace {

/// Keeps rows as text.
class ToText final : public sql::Receiver {
 public:
  explicit ToText(std::vector<std::string>& rows) : rows_(rows) {}
  std::unique_ptr<SinkWriter> writer() override { return std::make_unique<Writer>(*this); }

 private:
  class Writer final : public SinkWriter {
   public:
    explicit Writer(ToText& to) : to_(to) {}
    void write(const Chunk& chunk) override {
      const std::lock_guard guard(to_.lock_);
      for (const auto& row : sql::render(chunk)) {
        std::string text;
        for (const auto& value : row) {
          text += (text.empty() ? "" : "|") + value.value_or("NULL");
        }
        to_.rows_.push_back(std::move(text));
      }
    }
    void finish() override {}

   private:
    ToText& to_;
  };

  std::vector<std::string>& rows_;
  std::mutex lock_;
};

class ToSink final : public sql::Receiver {
 public:
  explicit ToSink(SinkBatch& batch) : batch_(batch) {}
  std::unique_ptr<SinkWriter> writer() override { return batch_.writer(); }

 private:
  SinkBatch& batch_;
};

}  // namespace

Node mapping(std::initializer_list<std::pair<std::string, std::string>> entries) {
  Node node;
  node.kind = Node::Kind::mapping;
  for (const auto& [key, value] : entries) {
    Node scalar;
    scalar.kind = Node::Kind::scalar;
    scalar.text = value;
    node.entries.push_back({.key = key, .at = {}, .value = std::move(scalar)});
  }
  return node;
}

std::string Rows::declare(const Schema& schema) {
  auto name = "rows_" + std::to_string(names_++);
  database_.declare(name, schema, sql::Shape::stream);
  return name;
}

std::vector<std::string> Rows::of(const Schema& schema, SliceInput input) {
  const auto name = declare(schema);
  const auto plan = database_.plan(name + "_plan", "SELECT * FROM " + name);
  plan->begin_batch(0, 0);
  if (auto* reader = std::get_if<std::unique_ptr<RowReader>>(&input)) {
    auto batch = std::make_shared<sql::Batch>(schema);
    batch->read(**reader);
    plan->give(name, std::shared_ptr<const sql::Batch>(std::move(batch)));
  } else {
    plan->give(name, std::get<SqlScan>(input).query);
  }
  std::vector<std::string> rows;
  ToText to(rows);
  (void)plan->run(sql::Run::rows, to);
  return rows;
}

std::vector<std::string> Rows::of(Source& source, const Json& offsets) {
  NoMalformed malformed;
  return of(source.schema(), source.read(offsets, malformed));
}

std::vector<std::string> Rows::of_parts(Source& source, const Json& offsets,
                                        std::int64_t part_rows) {
  std::vector<std::string> all;
  NoMalformed malformed;
  const auto whole = std::get<std::unique_ptr<RowReader>>(source.read(offsets, malformed));
  for (auto& part : whole->split(part_rows)) {
    const auto some = of(source.schema(), std::move(part));
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

void Rows::give(SinkBatch& batch, const Schema& schema, const std::string& query) {
  const auto name = declare(schema);
  const auto plan = database_.plan(name + "_plan", "SELECT * FROM " + name);
  plan->begin_batch(0, 0);
  plan->give(name, query);
  ToSink to(batch);
  (void)plan->run(sql::Run::rows, to);
}

SinkStats Rows::write_batch(Sink& sink, std::int64_t batch, const Schema& schema,
                            const std::string& query) {
  NoMalformed none;
  const auto begun = sink.begin(batch, none);
  give(*begun, schema, query);
  begun->stage();
  begun->publish();
  return begun->stats();
}

}  // namespace millrace::support
