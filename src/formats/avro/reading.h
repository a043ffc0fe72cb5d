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

/// The columns of a stream, and those of them that records fill.
struct StreamColumns {
  millrace::Schema all;
  millrace::Schema known;  ///< without the one that is rescued into
  std::size_t rescue = 0;  ///< that one
};
/// `of_schema` gives the columns where neither options nor an earlier run say what they are. Throws
/// Error (user) if there can't be a column to rescue into.
[[nodiscard]] StreamColumns stream_columns(const Wanted& wanted,
                                           const std::function<millrace::Schema()>& of_schema);

struct Reading {
  millrace::Schema columns;
  /// Fills the columns, or all but the one that is rescued into. Throws what Plans::Resolve does,
  /// SchemaChange, and ColumnsGrew.
  Plans::Resolve resolve;
  Plans::Resolve rest;     ///< what is rescued (formats/rescue.h); empty: nothing
  std::size_t rescue = 0;  ///< the column that is rescued into
};
/// Resolves as `resolve` does, to the columns that are known; adds what is to become of fields that
/// are none.
[[nodiscard]] Reading reading_by(Plans::Resolve resolve, const Wanted& wanted,
                                 StreamColumns columns);
/// Of records that are rows. Throws Error (user) for what does not fit.
[[nodiscard]] Reading make_reading(const Wanted& wanted);

}  // namespace millrace::avro
