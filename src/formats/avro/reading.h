// How records become the rows of one stream, whatever schemas they were written with.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "core/schema.h"
#include "formats/avro/plans.h"
#include "formats/schema_change.h"

namespace millrace::avro {

/// What is wanted of them.
struct Wanted {
  /// Columns found by their names, NULL in records that do not have them; empty: those of `reader`.
  millrace::Schema declared;
  /// With its defaults and aliases, unless columns are to be added to those that it has.
  SharedSchema reader;
  formats::OnSchemaChange on_change = formats::OnSchemaChange::ignore;
  /// One of `declared`, VARCHAR, or one more.
  std::string rescue_column;
  /// `add_columns`: the columns so far, in place of those of `reader`; empty: there are none yet.
  millrace::Schema so_far;
  /// `add_columns`: throws ColumnsGrew; gets all columns, and the new ones among them.
  std::function<void(const millrace::Schema& columns, const millrace::Schema& fresh)> grow;
  /// What the column is called of records that are single values.
  std::string value_column = "value";
  std::string schema_option = "schema";  ///< the name of the one that declares, for messages
};

struct Reading {
  millrace::Schema columns;
  /// Fills the columns, or all but the one that is rescued into. Throws what Plans::Resolve does,
  /// SchemaChange, and ColumnsGrew.
  Plans::Resolve resolve;
  Plans::Resolve rest;     ///< what is rescued (formats/rescue.h); empty: nothing
  std::size_t rescue = 0;  ///< the column that is rescued into
};
/// Throws Error (user) for what does not fit.
[[nodiscard]] Reading make_reading(Wanted wanted);

}  // namespace millrace::avro
