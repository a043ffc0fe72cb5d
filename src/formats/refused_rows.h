// Rows that a sink's format has no bytes for.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "core/format.h"
#include "core/malformed.h"
#include "core/schema.h"
#include "formats/json/encoder.h"

namespace millrace::formats {

/// Deals with them as the sink says. Used by one thread.
class RefusedRows {
 public:
  struct Sink {
    std::string name;
    std::string origin;  ///< where its rows would have gone
    Schema schema;
    OnRefused on_refused = OnRefused::quarantine;
  };
  /// Both outlive it.
  RefusedRows(const Sink& sink, MalformedReceiver& receiver) : sink_(sink), receiver_(receiver) {}

  /// Hands the row, as JSON, and the reason on, or counts it. Throws Error if it is to stop the
  /// pipeline.
  void add(const Chunk& rows, std::size_t row, const Malformation& why);

 private:
  const Sink& sink_;
  MalformedReceiver& receiver_;
  std::optional<json::Encoder> as_json_;  // made for the first of them
};

}  // namespace millrace::formats
