#include "connectors/kafka/source_layout.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "core/growing_columns.h"
#include "sql/database.h"

namespace millrace::kafka {

namespace {

constexpr auto kMetadata = std::to_array<std::pair<std::string_view, Metadata>>({
    {"key", Metadata::key},
    {"value", Metadata::value},
    {"topic", Metadata::topic},
    {"partition", Metadata::partition},
    {"offset", Metadata::offset},
    {"timestamp", Metadata::timestamp},
    {"headers", Metadata::headers},
    {"reason", Metadata::reason},
    {"op", Metadata::op},
    {"change_time", Metadata::change_time},
    {"source", Metadata::source},
});

std::optional<Metadata> metadata_of(std::string_view word) {
  for (const auto& [each, what] : kMetadata) {
    if (each == word) {
      return what;
    }
  }
  return std::nullopt;
}

/// Not of each message.
bool is_special(Metadata what) { return what >= Metadata::reason; }
bool is_of_changes(Metadata what) { return what >= Metadata::op; }

/// Throws Error (user) if a column can't be added.
void check_free(const Schema& schema, const std::string& name, std::string_view way_out) {
  if (schema.find(name) >= 0) {
    throw Error(Blame::user, fmt::format("there are two columns {}; {}", name, way_out));
  }
}

/// Where what the options name comes from.
struct Fetching {
  const ConnectionOptions& connection;
  sql::Database& database;
  std::stop_token stop;
  std::unique_ptr<SchemaRegistry>& registry;
};

formats::DecodingInputs decoding_inputs(const formats::DecodingOptions& records, std::string prefix,
                                        const Fetching& from, const Schema& so_far = {}) {
  formats::DecodingInputs inputs;
  inputs.so_far = so_far;
  inputs.prefix = std::move(prefix);
  if (!records.schema.empty()) {
    inputs.declared = from.database.parse_schema(records.schema);
  }
  if (!records.schema_file.empty()) {
    inputs.schema_json = read_file(records.schema_file);
  }
  if (records.kind != formats::Kind::avro || records.framing != formats::Framing::confluent) {
    return inputs;
  }
  if (from.registry == nullptr) {
    from.registry = std::make_unique<SchemaRegistry>(from.connection.registry, from.stop);
  }
  inputs.registry = from.registry.get();
  if (formats::needs_latest(records) && so_far.empty()) {
    const auto latest = from.registry->latest(records.subject);
    if (!latest) {
      throw Error(Blame::user,
                  fmt::format("the schema registry has no subject {}; name the columns by "
                              "`{}schema`, or another `{}subject`",
                              records.subject, inputs.prefix, inputs.prefix));
    }
    inputs.latest = latest->schema;
  }
  return inputs;
}

formats::DecodingInputs value_inputs(const LayoutOf& of, const formats::DecodingOptions& records,
                                     const Fetching& from) {
  auto inputs = decoding_inputs(records, "", from, of.so_far);
  inputs.grow = [source = of.source](const Schema& columns, const Schema& fresh) {
    throw ColumnsGrew(source, columns, fresh.text());
  };
  return inputs;
}

std::string_view to_have_new_fields(const formats::DecodingOptions& records) {
  if (!records.schema.empty()) {
    return "add the column to `schema`";
  }
  return records.schema_file.empty()
             ? "start again, with the columns of the subject's latest schema, or set "
               "`on_schema_change: add_columns`"
             : "add the field to the schema in `schema_file`";
}

void add_key(formats::Decoding decoding, RowLayout& layout) {
  for (Column& column : decoding.schema.columns) {
    check_free(layout.schema, column.name,
               "one is of the key; leave it out of `schema` or of `key_schema`");
    layout.schema.columns.push_back(std::move(column));
    ++layout.keyed;
  }
  layout.key_decoder = std::move(decoding.make);
}

void add_metadata(const SourceOptions& options, RowLayout& layout) {
  auto metadata = options.metadata;
  if (metadata.empty() && options.records.kind == formats::Kind::raw) {
    for (const auto& [word, what] : kMetadata) {
      // A key that is decoded has columns of its own.
      const bool is_there = what != Metadata::key || options.key.kind == formats::Kind::raw;
      if (is_there && !is_special(what)) {
        metadata.emplace_back(word, word);
      }
    }
  }
  for (const auto& [name, word] : metadata) {
    check_free(layout.schema, name, "give the one of `metadata` another name");
    layout.metadata.push_back(*metadata_of(word));
    layout.schema.columns.push_back(column_of(layout.metadata.back(), name));
  }
}

}  // namespace

bool check_metadata(const SourceOptions& options, const Location& at, Diagnostics& diagnostics,
                    std::string_view what) {
  const auto& records = options.records;
  const bool is_change = records.envelope == formats::Envelope::debezium;
  for (const auto& [name, word] : options.metadata) {
    const auto known = metadata_of(word);
    if (!known || (!is_change && is_of_changes(*known))) {
      diagnostics.error(at, fmt::format("`metadata` of {}: a message has no {}", what, word),
                        "it has: key, value, topic, partition, offset, timestamp, headers; with "
                        "`on_malformed: permissive`: reason; and with `envelope: debezium`: op, "
                        "change_time, source");
      return false;
    }
    if (*known == Metadata::reason && records.on_malformed != OnMalformed::permissive) {
      diagnostics.error(at, fmt::format("`metadata` of {}: no row has a reason", what),
                        "it says why a message is a row of NULLs: set `on_malformed: permissive`");
      return false;
    }
    if (*known == Metadata::source && records.kind == formats::Kind::avro) {
      diagnostics.error(at, fmt::format("`metadata` of {}: no source of Avro's events", what),
                        "leave it out: it is a text of events in JSON");
      return false;
    }
  }
  return true;
}

RowLayout make_layout(const LayoutOf& of, const SourceOptions& options,
                      const ConnectionOptions& connection, sql::Database& database,
                      std::stop_token stop, std::unique_ptr<SchemaRegistry>& registry) {
  const auto& records = options.records;
  const Fetching fetching{connection, database, std::move(stop), registry};
  RowLayout layout;
  auto decoding = formats::make_decoding(records, value_inputs(of, records, fetching));
  layout.schema = std::move(decoding.schema);
  layout.decoder = std::move(decoding.make);
  layout.change_decoder = std::move(decoding.make_changes);
  layout.decoded = layout.schema.size();
  layout.on_malformed = records.on_malformed;
  layout.to_have_new_fields = to_have_new_fields(records);
  if (const auto& name = records.corrupt_record_column; !name.empty()) {
    layout.has_corrupt = true;
    check_free(layout.schema, name, "give the one of `corrupt_record_column` another name");
    layout.schema.columns.push_back({name, "BLOB", Physical::string});
  }
  auto key_inputs = decoding_inputs(options.key, "key_", fetching);
  key_inputs.value_column = "key";
  add_key(formats::make_decoding(options.key, key_inputs), layout);
  add_metadata(options, layout);
  return layout;
}

}  // namespace millrace::kafka
