#include "connectors/blackhole/blackhole.h"

#include <atomic>

namespace millrace {
namespace {

class BlackholeBatch final : public SinkBatch {
 public:
  std::unique_ptr<SinkWriter> writer() override { return std::make_unique<Writer>(*this); }
  void stage() override {}
  void publish() override {}
  [[nodiscard]] SinkStats stats() const override { return {.rows = rows_.load()}; }

 private:
  class Writer final : public SinkWriter {
   public:
    explicit Writer(BlackholeBatch& batch) : batch_(batch) {}
    void write(const Chunk& chunk) override {
      batch_.rows_.fetch_add(static_cast<std::int64_t>(chunk.rows), std::memory_order_relaxed);
    }
    void finish() override {}

   private:
    BlackholeBatch& batch_;
  };

  std::atomic<std::int64_t> rows_ = 0;
};

class BlackholeSink final : public Sink {
 public:
  [[nodiscard]] SinkTraits traits() const override {
    return {.append = true,
            .update = true,
            .complete = true,
            .deletes = true,
            .preferred_for_tables = OutputMode::update,
            .guarantee = "none: rows are counted and dropped"};
  }
  void open(const SinkStart& /*start*/) override {}
  std::unique_ptr<SinkBatch> begin(std::int64_t, MalformedReceiver&) override {
    return std::make_unique<BlackholeBatch>();
  }
};

class BlackholeConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "blackhole"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Takes every row and keeps none: for tests and benchmarks.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &no_options();
  }
  [[nodiscard]] const OptionSet* sink_options() const noexcept override { return &no_options(); }
  std::unique_ptr<Sink> make_sink(const ConnectorRequest& request,
                                  Diagnostics& diagnostics) const override {
    const auto what = "sink " + request.name;
    const bool good = no_options().check(*request.connection, diagnostics, what);
    return no_options().check(*request.options, diagnostics, what) && good
               ? std::make_unique<BlackholeSink>()
               : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> blackhole_connector() { return std::make_unique<BlackholeConnector>(); }

}  // namespace millrace
