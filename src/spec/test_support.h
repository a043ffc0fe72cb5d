// For the tests of spec/: pipelines written down in a test, and connectors that read nothing.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "base/options.h"
#include "base/test_folder.h"
#include "spec/pipeline.h"

namespace millrace::testing {

enum class Start { earliest, latest };

struct TopicConnection {
  std::string brokers;
  Secret password;
};

struct TopicSource {
  std::string topic;
  Start start = Start::latest;
  std::chrono::milliseconds poll_timeout{100};
  std::int64_t fetch_bytes = 1 << 20;
};

struct NoOptions {};

}  // namespace millrace::testing

template <>
struct millrace::EnumNames<millrace::testing::Start> {
  static constexpr EnumWord<millrace::testing::Start> kWords[] = {
      {millrace::testing::Start::earliest, "earliest"},
      {millrace::testing::Start::latest, "latest"}};
};

namespace millrace::testing {

/// A message bus with a connection; sources only.
class TopicConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "topics"; }
  [[nodiscard]] std::string_view summary() const noexcept override { return "A message bus."; }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &connection_;
  }
  [[nodiscard]] const OptionSet* source_options() const noexcept override { return &source_; }
  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    (void)connection_.check(*request.connection, diagnostics, "connection topics");
    (void)source_.check(*request.options, diagnostics, "source topics");
    return nullptr;
  }

 private:
  OptionTable<TopicConnection> connection_{
      Option<TopicConnection>{&TopicConnection::brokers, "brokers", "The first brokers to ask."}
          .required()
          .example("localhost:9092"),
      Option<TopicConnection>{&TopicConnection::password, "password", "The password."},
  };
  OptionTable<TopicSource> source_{
      Option<TopicSource>{&TopicSource::topic, "topic", "The topic to read."}.required().example(
          "orders"),
      Option<TopicSource>{&TopicSource::start, "start", "Where to begin."},
      Option<TopicSource>{&TopicSource::poll_timeout, "poll_timeout", "The longest wait."}.at_least(
          std::chrono::milliseconds(1)),
      Option<TopicSource>{&TopicSource::fetch_bytes, "fetch_size", "How much to ask for."}.bytes(),
  };
};

/// Gives rows from nowhere.
class RateConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "rate"; }
  [[nodiscard]] std::string_view summary() const noexcept override { return "A row a tick."; }
  [[nodiscard]] const OptionSet* source_options() const noexcept override { return &options_; }
  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    (void)options_.check(*request.options, diagnostics, "source rate");
    return nullptr;
  }

 private:
  OptionTable<NoOptions> options_{};
};

/// Takes rows and shows them.
class ConsoleConnector final : public Connector {
 public:
  struct Options {
    int limit = 20;
  };
  [[nodiscard]] std::string_view type() const noexcept override { return "console"; }
  [[nodiscard]] std::string_view summary() const noexcept override { return "The terminal."; }
  [[nodiscard]] const OptionSet* sink_options() const noexcept override { return &options_; }
  std::unique_ptr<Sink> make_sink(const ConnectorRequest& request,
                                  Diagnostics& diagnostics) const override {
    (void)options_.check(*request.options, diagnostics, "sink console");
    return nullptr;
  }

 private:
  OptionTable<Options> options_{
      Option<Options>{&Options::limit, "limit", "How many rows to show."}.at_least(1).at_most(1000),
  };
};

inline ConnectorList test_connectors() {
  ConnectorList list;
  list.push_back(std::make_unique<TopicConnector>());
  list.push_back(std::make_unique<RateConnector>());
  list.push_back(std::make_unique<ConsoleConnector>());
  return list;
}

/// What came of loading a pipeline file.
struct Loaded {
  std::optional<PipelineSpec> spec;
  std::string messages;  ///< one line each, without the folder
};

/// Loads "p.yaml" of a folder; other files may lie there already.
inline Loaded load(const TempFolder& folder, std::string_view yaml) {
  const ConnectorList connectors = test_connectors();
  Diagnostics diagnostics;
  Loaded loaded;
  loaded.spec = load_pipeline(folder.write("p.yaml", yaml), connectors, diagnostics);
  loaded.messages = diagnostics.text();
  const std::string prefix = folder.path() + "/";
  for (std::size_t at = loaded.messages.find(prefix); at != std::string::npos;
       at = loaded.messages.find(prefix, at)) {
    loaded.messages.erase(at, prefix.size());
  }
  return loaded;
}

inline Loaded load(std::string_view yaml) {
  const TempFolder folder;
  return load(folder, yaml);
}

}  // namespace millrace::testing
