#include "core/connector.h"

namespace millrace {

namespace {
struct NoOptions {};
}  // namespace

const OptionSet& no_options() {
  static const OptionTable<NoOptions> kTable{};
  return kTable;
}

std::unique_ptr<Source> Connector::make_source(const ConnectorRequest& request,
                                               Diagnostics& diagnostics) const {
  diagnostics.error(request.at,
                    "connector `" + std::string(type()) + "` cannot be used as a source");
  return nullptr;
}

std::unique_ptr<Sink> Connector::make_sink(const ConnectorRequest& request,
                                           Diagnostics& diagnostics) const {
  diagnostics.error(request.at, "connector `" + std::string(type()) + "` cannot be used as a sink");
  return nullptr;
}

const Connector* find_connector(const ConnectorList& list, std::string_view type) {
  for (const auto& connector : list) {
    if (connector->type() == type) {
      return connector.get();
    }
  }
  return nullptr;
}

}  // namespace millrace
