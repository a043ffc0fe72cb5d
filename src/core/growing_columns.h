// Sources whose columns become more while they run.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"
#include "core/schema.h"

namespace millrace {

/// Beside Source, of one that can be asked to take up fields that its records did not have before.
///
/// A reader that comes to a record with such fields throws ColumnsGrew. Nothing of that batch is
/// then committed; the pipeline notes the columns in its checkpoint, and is planned anew with them.
class GrowingColumns {
 public:
  virtual ~GrowingColumns() = default;
  /// Whether the options ask for it. If not, the rest is not called.
  [[nodiscard]] virtual bool grows() const = 0;
  /// Before Source::schema(): the columns of records when the pipeline ran last, as found() or a
  /// ColumnsGrew had them.
  virtual void begin_with(Schema columns) = 0;
  /// After Source::schema(): the columns of records now.
  [[nodiscard]] virtual Schema found() const = 0;
};

/// A record has fields that its source has no columns for yet.
class ColumnsGrew final : public Error {
 public:
  /// `columns`: all, the new ones at the end; `fresh`: those, for people.
  ColumnsGrew(std::string source, Schema columns, const std::string& fresh)
      : Error(Blame::external, "source " + source + ": its records have new columns: " + fresh),
        source_(std::move(source)),
        columns_(std::move(columns)) {}

  [[nodiscard]] const std::string& source() const noexcept { return source_; }
  [[nodiscard]] const Schema& columns() const noexcept { return columns_; }

 private:
  std::string source_;
  Schema columns_;
};

}  // namespace millrace
