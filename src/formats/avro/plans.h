// Plans for a stream whose records name their schemas: each is resolved once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "core/format.h"
#include "formats/avro/plan.h"
#include "formats/avro/schema.h"

namespace millrace::avro {

/// Shared by those who know schemas and the decoders of all threads; never changes.
using SharedSchema = std::shared_ptr<const AvroSchema>;

/// What there is under a number.
struct SchemaLookup {
  SharedSchema schema;  ///< null: there is none, or none of use to us
  std::string reason;   ///< why not: "the registry has no schema 7"
};

/// Schemas by their numbers, such as those of a registry. Thread-safe.
class NumberedSchemas {
 public:
  virtual ~NumberedSchemas() = default;
  /// May wait for others; throws Error for what is not about this number. Remembers what it has
  /// been asked for.
  [[nodiscard]] virtual SchemaLookup find(std::uint32_t id) = 0;
};

/// How records of each writer's schema become the rows of one stream. Thread-safe.
class Plans {
 public:
  /// Throws Error for a schema that does not fit the rows.
  using Resolve = std::function<Plan(const SharedSchema& writer)>;

  /// `schemas` must outlive it.
  Plans(NumberedSchemas& schemas, Resolve resolve)
      : schemas_(schemas), resolve_(std::move(resolve)) {}

  struct Found {
    std::shared_ptr<const Plan> plan;  ///< null: records of this schema can't become rows
    Malformation why;                  ///< why not
  };
  /// Throws only what `schemas` throws, and ColumnsGrew.
  [[nodiscard]] Found find(std::uint32_t id);

 private:
  NumberedSchemas& schemas_;
  Resolve resolve_;
  std::mutex lock_;
  std::map<std::uint32_t, Found> found_;  // of schemas that are there
};

}  // namespace millrace::avro
