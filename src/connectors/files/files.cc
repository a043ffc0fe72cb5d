#include "connectors/files/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "connectors/files/object_input.h"
#include "connectors/files/object_output.h"
#include "connectors/files/options.h"
#include "connectors/files/sink.h"
#include "connectors/files/source.h"

namespace millrace {

using formats::CannotChange;
using formats::OnSchemaChange;

namespace {

Location place_of(const ConnectorRequest& request, std::string_view option) {
  for (const Node* node : {request.options, request.connection}) {
    if (const Node* value = node->find(option)) {
      return value->at;
    }
  }
  return request.at;
}

/// Malformed rows as rows of NULLs, and the column for their texts.
void check_permissive(const ConnectorRequest& request, const FilesSourceOptions& options,
                      Diagnostics& diagnostics) {
  const auto what = "source " + request.name;
  const bool permissive = options.format.on_malformed == OnMalformed::permissive;
  const std::string& column = options.format.corrupt_record_column;
  const auto complain = [&](std::string_view option, std::string_view rest, std::string hint) {
    diagnostics.error(place_of(request, option), fmt::format("{} {}", what, rest), std::move(hint));
  };
  if (options.kind == FileKind::parquet) {
    if (permissive) {
      complain("on_malformed", "reads Parquet, which has no malformed rows to be permissive with",
               "leave out `on_malformed`");
    }
    if (!column.empty()) {
      complain("corrupt_record_column", "reads Parquet, which has no corrupt records",
               "leave out `corrupt_record_column`");
    }
    return;
  }
  if (!column.empty() && !permissive) {
    complain("corrupt_record_column",
             "has a `corrupt_record_column`, but keeps no row that is malformed",
             "set `on_malformed: permissive`");
  }
  // The check before the pipeline is built has no database; then only its columns are not known.
  if (!column.empty() && request.database != nullptr && !options.schema.empty() &&
      request.database->parse_schema(options.schema).find(column) >= 0) {
    complain("corrupt_record_column",
             fmt::format("has `{}` in its `schema`, so that can't be the `corrupt_record_column`",
                         column),
             "give it another name, or take it out of `schema`");
  }
}

/// Options that only files of some formats have. Reports those that were given for another one;
/// `avro`: whether the files are Avro's.
void check_formats(const ConnectorRequest& request, std::string_view what, bool avro,
                   Diagnostics& diagnostics) {
  constexpr std::array<std::string_view, 10> kNotAvro{
      "header",           "delimiter",   "quote",          "escape",         "null_value",
      "timestamp_format", "date_format", "max_line_bytes", "row_group_size", "read_back"};
  constexpr std::array<std::string_view, 3> kAvro{"schema_file", "record_name", "on_refused"};
  const auto complain = [&](std::span<const std::string_view> options, std::string_view rest) {
    for (const std::string_view option : options) {
      if (request.options->find(option) != nullptr) {
        diagnostics.error(place_of(request, option), fmt::format("{} {}", what, rest),
                          fmt::format("leave out `{}`", option));
      }
    }
  };
  if (avro) {
    complain(kNotAvro, "is of Avro files, which have no such option");
  } else {
    complain(kAvro, "has an option that only Avro files have");
  }
}

std::optional<CannotChange> why_no_change(const FilesSourceOptions& options, OnSchemaChange mode) {
  const bool has_names = options.kind == FileKind::json || options.kind == FileKind::avro;
  if (mode == OnSchemaChange::ignore || (has_names && mode != OnSchemaChange::add_columns)) {
    return std::nullopt;
  }
  if (options.kind == FileKind::csv) {
    return CannotChange{
        "is not for CSV: a file whose header has another column is malformed as it is",
        "leave it out; `on_malformed: fail` ends the pipeline at such a file"};
  }
  if (options.kind == FileKind::json) {
    return formats::json_has_no_types();
  }
  if (options.kind == FileKind::parquet) {
    return mode == OnSchemaChange::fail
               ? std::nullopt
               : std::optional(CannotChange{
                     "is not for Parquet",
                     "set it to `fail`, and add what is new to `schema` when it has come"});
  }
  if (options.schema.empty() && options.schema_file.empty()) {
    return std::nullopt;
  }
  return CannotChange{
      "is for columns that come from the files, and these are declared",
      fmt::format("leave `{}` out, or rescue what is new (`rescue_column: _rescued`)",
                  options.schema.empty() ? "schema_file" : "schema")};
}

bool settle_schema_change(const ConnectorRequest& request, FilesSourceOptions& options,
                          Diagnostics& diagnostics) {
  const auto* const option = options.on_schema_change ? "on_schema_change" : "rescue_column";
  return formats::settle_schema_change(
      options.on_schema_change, options.rescue_column,
      [&options](OnSchemaChange mode) { return why_no_change(options, mode); },
      place_of(request, option), diagnostics, "source " + request.name);
}

bool check_source(const ConnectorRequest& request, const FilesSourceOptions& options,
                  Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.error_count();
  const auto what = "source " + request.name;
  const bool can_be_asked = options.kind == FileKind::parquet || options.kind == FileKind::avro;
  if (options.schema.empty() && !can_be_asked) {
    diagnostics.error(
        request.at, fmt::format("{} needs a `schema` for {} files", what, enum_word(options.kind)),
        "for example `schema: id BIGINT, amount DOUBLE`");
  }
  if (!options.schema.empty() && !options.schema_file.empty()) {
    diagnostics.error(
        place_of(request, "schema_file"),
        what + " has a `schema` and a `schema_file`; only one can say what the columns are",
        "leave out one of the two");
  }
  check_formats(request, what, options.kind == FileKind::avro, diagnostics);
  if (options.clean_source == CleanSource::archive && options.source_archive_dir.empty()) {
    diagnostics.error(place_of(request, "clean_source"),
                      what + " needs `source_archive_dir` for `clean_source: archive`");
  }
  if (options.clean_source != CleanSource::off && request.as_table) {
    diagnostics.error(place_of(request, "clean_source"),
                      what + " is read whole every batch, so its files cannot be cleaned away",
                      "leave out `clean_source`");
  }
  if (options.format.delimiter == '\n' || options.format.delimiter == '\r' ||
      options.format.delimiter == options.format.quote) {
    diagnostics.error(place_of(request, "delimiter"),
                      what + " cannot have a line end or the quote as `delimiter`");
  }
  check_permissive(request, options, diagnostics);
  return diagnostics.error_count() == before;
}

std::vector<std::string> compressions_of(FileKind format) {
  switch (format) {
    case FileKind::parquet:
      return {"snappy", "zstd", "gzip", "lz4", "brotli", "uncompressed"};
    case FileKind::avro:
      return {"deflate", "snappy", "zstandard", "bzip2", "xz", "none"};
    case FileKind::csv:
    case FileKind::json:
      break;
  }
  return {"none", "gzip", "zstd"};
}

/// What is written where the options name nothing: as the writer of the format calls it.
std::string_view default_compression(FileKind format) {
  return format == FileKind::parquet ? "snappy" : format == FileKind::avro ? "deflate" : "";
}

void check_rolling(const ConnectorRequest& request, const FilesSinkOptions& options,
                   Diagnostics& diagnostics, const std::string& what) {
  if (options.visible_within && !options.roll_interval) {
    diagnostics.error(place_of(request, "visible_within"),
                      what + " has `visible_within`, but publishes its files batch by batch anyway",
                      "leave it out, or set `roll_interval`, too");
  }
  if (options.roll_interval && options.format == FileKind::avro) {
    diagnostics.error(place_of(request, "roll_interval"),
                      what + " is of Avro files, which `roll_interval` can't make of many batches",
                      "choose Parquet, JSON or CSV, or a longer `trigger`");
  }
  if (options.roll_interval && options.visible_within &&
      *options.visible_within >= *options.roll_interval) {
    diagnostics.error(place_of(request, "visible_within"),
                      what + " has a `visible_within` that is not less than its `roll_interval`",
                      "leave it out: rows can be read when their file is finished");
  }
}

void check_overwrite(const ConnectorRequest& request, const FilesSinkOptions& options,
                     Diagnostics& diagnostics, const std::string& what) {
  if (!options.overwrites_parts()) {
    return;
  }
  const auto at = place_of(request, "partition_overwrite_mode");
  if (options.partition_by.empty()) {
    diagnostics.error(at, what + " has no partitions to replace", "set `partition_by`");
  }
  for (const std::string_view other : {"max_file_size", "roll_interval"}) {
    if (request.options->find(other) != nullptr) {
      diagnostics.error(place_of(request, other),
                        fmt::format("{} makes one file of each partition, so that it is replaced "
                                    "in one step",
                                    what),
                        fmt::format("leave out `{}`", other));
    }
  }
}

bool check_sink(const ConnectorRequest& request, const FilesSinkOptions& options,
                Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.error_count();
  const auto what = "sink " + request.name;
  const bool is_int96 = options.timestamps == ParquetTimestamps::int96;
  const std::vector<std::string> known =
      is_int96 ? std::vector<std::string>{"snappy", "zstd", "uncompressed"}
               : compressions_of(options.format);
  if (!options.compression.empty() &&
      std::find(known.begin(), known.end(), options.compression) == known.end()) {
    diagnostics.error(place_of(request, "compression"),
                      fmt::format("sink {} cannot write {} with compression `{}`", request.name,
                                  enum_word(options.format), options.compression),
                      did_you_mean(options.compression, known));
  }
  if (is_int96 && options.format != FileKind::parquet) {
    diagnostics.error(place_of(request, "timestamps"), what + " writes no Parquet",
                      "leave out `timestamps`");
  }
  if (!options.schema_file.empty() && !options.record_name.empty()) {
    diagnostics.error(place_of(request, "record_name"),
                      what + " has a `schema_file`, which says what the record is called",
                      "leave out one of the two");
  }
  const auto parts = split(options.record_name, '.');
  if (!options.record_name.empty() && !std::ranges::all_of(parts, is_identifier)) {
    diagnostics.error(place_of(request, "record_name"),
                      fmt::format("{}: `{}` is no name that Avro takes", what, options.record_name),
                      "letters, digits and _, with a namespace in front: com.example.Order");
  }
  check_formats(request, what, options.format == FileKind::avro, diagnostics);
  check_rolling(request, options, diagnostics, what);
  check_overwrite(request, options, diagnostics, what);
  std::vector<std::string> names;
  for (const std::string& name : options.partition_by) {
    if (std::find(names.begin(), names.end(), to_lower(name)) != names.end()) {
      diagnostics.error(
          place_of(request, "partition_by"),
          fmt::format("sink {} names `{}` twice in `partition_by`", request.name, name));
    }
    names.push_back(to_lower(name));
  }
  return diagnostics.error_count() == before;
}

void resolve_schema_file(const ConnectorRequest& request, std::string& path) {
  if (!path.empty()) {
    path = resolve_path(request.base_dir, path);
  }
}

/// Where files are: in a store, or at a path of this machine.
struct FilesPlace {
  std::string path;
  std::optional<ObjectPlace> objects;
};

/// What sources can't do at a place.
bool check_place(const ConnectorRequest& request, const FilesPlace& place,
                 const FilesSourceOptions& options, Diagnostics& diagnostics) {
  const auto what = "source " + request.name;
  if (place.objects && options.clean_source == CleanSource::archive) {
    diagnostics.error(place_of(request, "clean_source"),
                      what + " is in S3, where files can't be moved to an archive",
                      "set `clean_source: delete`, or leave it out");
    return false;
  }
  if (!place.objects && request.options->find("full_listing_interval") != nullptr) {
    diagnostics.error(place_of(request, "full_listing_interval"),
                      what + " is not in S3, and lists all files anyway",
                      "leave out `full_listing_interval`");
    return false;
  }
  return true;
}

class FilesConnector final : public Connector {
 public:
  explicit FilesConnector(std::unique_ptr<ObjectStores> stores) : stores_(std::move(stores)) {}

  [[nodiscard]] std::string_view type() const noexcept override { return "files"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Reads and writes folders of CSV, JSON lines, Parquet and Avro files, local or in S3.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &stores_->options();
  }
  [[nodiscard]] const OptionSet* source_options() const noexcept override {
    return &FilesSourceOptions::table();
  }
  [[nodiscard]] const OptionSet* sink_options() const noexcept override {
    return &FilesSinkOptions::table();
  }

  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    const auto what = "source " + request.name;
    FilesSourceOptions options;
    auto place = place_of_files(request, diagnostics, what);
    const bool good =
        FilesSourceOptions::table().parse(*request.options, diagnostics, options, what) &&
        check_source(request, options, diagnostics) &&
        settle_schema_change(request, options, diagnostics) &&
        (!place || check_place(request, *place, options, diagnostics));
    if (!good || !place) {
      return nullptr;
    }
    if (!options.source_archive_dir.empty()) {
      options.source_archive_dir =
          absolute_path(resolve_path(request.base_dir, options.source_archive_dir));
    }
    resolve_schema_file(request, options.schema_file);
    auto input = place->objects
                     ? object_input(*std::move(place->objects), options, request.database)
                     : local_input(place->path, options);
    return std::make_unique<FilesSource>(request.database, request.name, std::move(input),
                                         std::move(options), request.as_table);
  }

  std::unique_ptr<Sink> make_sink(const ConnectorRequest& request,
                                  Diagnostics& diagnostics) const override {
    const auto what = "sink " + request.name;
    FilesSinkOptions options;
    auto place = place_of_files(request, diagnostics, what);
    const bool good =
        FilesSinkOptions::table().parse(*request.options, diagnostics, options, what) &&
        check_sink(request, options, diagnostics);
    if (!good || !place) {
      return nullptr;
    }
    if (options.compression.empty()) {
      options.compression = default_compression(options.format);
    } else if (options.compression == "none") {
      options.compression = options.format == FileKind::avro ? "null" : "";
    }
    resolve_schema_file(request, options.schema_file);
    auto output =
        place->objects ? object_output(*std::move(place->objects)) : local_output(place->path);
    return std::make_unique<FilesSink>(request.database, request.name, std::move(output),
                                       std::move(options));
  }

 private:
  /// nullopt: there was a mistake, which is reported.
  [[nodiscard]] std::optional<FilesPlace> place_of_files(const ConnectorRequest& request,
                                                         Diagnostics& diagnostics,
                                                         const std::string& what) const {
    Node path = *request.connection;
    std::erase_if(path.entries, [](const Node::Entry& entry) { return entry.key != "path"; });
    FilesConnection connection;
    if (!FilesConnection::table().parse(path, diagnostics, connection, what)) {
      return std::nullopt;
    }
    if (connection.path.starts_with(stores_->scheme())) {
      auto objects = stores_->open(request, diagnostics, what);
      return objects ? std::optional(FilesPlace{"", std::move(objects)}) : std::nullopt;
    }
    if (const auto scheme = connection.path.find("://"); scheme != std::string::npos) {
      diagnostics.error(
          place_of(request, "path"),
          fmt::format("`{}` paths are not in this version", connection.path.substr(0, scheme + 3)),
          fmt::format("give a local path, or one that begins with {}", stores_->scheme()));
      return std::nullopt;
    }
    if (!check_local(request, diagnostics, what) ||
        !FilesConnection::table().parse(*request.connection, diagnostics, connection, what)) {
      return std::nullopt;
    }
    return FilesPlace{absolute_path(resolve_path(request.base_dir, connection.path)), std::nullopt};
  }

  /// Reports options that only stores have.
  [[nodiscard]] bool check_local(const ConnectorRequest& request, Diagnostics& diagnostics,
                                 const std::string& what) const {
    bool good = true;
    for (const OptionInfo& info : stores_->options().infos()) {
      const Node* const given = info.name == "path" ? nullptr : request.connection->find(info.name);
      if (given != nullptr) {
        good = false;
        diagnostics.error(given->at,
                          fmt::format("{} has `{}`, which is for paths that begin with {}", what,
                                      info.name, stores_->scheme()),
                          fmt::format("leave out `{}`", info.name));
      }
    }
    return good;
  }

  std::unique_ptr<ObjectStores> stores_;
};

}  // namespace

std::unique_ptr<Connector> files_connector(std::unique_ptr<ObjectStores> stores) {
  return std::make_unique<FilesConnector>(std::move(stores));
}

}  // namespace millrace
