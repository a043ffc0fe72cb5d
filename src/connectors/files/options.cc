#include "connectors/files/options.h"

namespace millrace {

const OptionTable<FilesSourceOptions>& FilesSourceOptions::table() {
  using O = FilesSourceOptions;
  static const OptionTable<O> kTable{
      Option<O>{
          &O::kind, "format",
          "What is in the files; json is one object a line. Files that end in .gz or .zst are "
          "unpacked while they are read."}
          .required(),
      Option<O>{&O::schema, "schema",
                "The columns, as in CREATE TABLE. May be left out for Parquet and Avro, which are "
                "asked."}
          .example("id BIGINT, amount DECIMAL(12,2), created_at TIMESTAMP"),
      Option<O>{&O::schema_file, "schema_file",
                "Avro: a file with a schema (.avsc) to read all files as, with its defaults and "
                "aliases, in place of `schema`."}
          .path(),
      Option<O>{&O::on_schema_change, "on_schema_change",
                "JSON, Avro: what to do with fields of records that the columns do not have: "
                "ignore leaves them out; fail, for Parquet, too, ends the pipeline before anything "
                "of their batch is committed; add_columns, for Avro whose columns come from the "
                "files, makes them columns; rescue keeps them in `rescue_column`. See "
                "docs/schema-evolution.md."}
          .default_text("rescue with a `rescue_column`, else ignore"),
      Option<O>{&O::rescue_column, "rescue_column",
                "JSON, Avro: a VARCHAR column for all fields that are no columns, as one JSON "
                "object; one of `schema`, or, where the columns are not declared, one more."}
          .example("_rescued"),
      Option<O>{[](O& o) -> auto& { return o.format.on_malformed; }, "on_malformed",
                "What to do with a row that does not fit: quarantine puts it aside with its file, "
                "line, text and the reason; permissive gives a row of NULLs; drop only counts it; "
                "fail stops the pipeline."},
      Option<O>{
          [](O& o) -> auto& { return o.format.corrupt_record_column; }, "corrupt_record_column",
          "With `on_malformed: permissive`: a VARCHAR column more (Avro: BLOB), of the text of "
          "rows that do not fit; NULL in other rows."}
          .example("_corrupt_record"),
      Option<O>{[](O& o) -> auto& { return o.format.header; }, "header",
                "CSV: the first record names the columns, in any order."},
      Option<O>{[](O& o) -> auto& { return o.format.delimiter; }, "delimiter",
                "CSV: what stands between fields."},
      Option<O>{[](O& o) -> auto& { return o.format.quote; }, "quote",
                "CSV: what stands around fields that hold delimiters or line ends."},
      Option<O>{[](O& o) -> auto& { return o.format.escape; }, "escape",
                "CSV: what stands before a quote inside quotes."},
      Option<O>{[](O& o) -> auto& { return o.format.null_text; }, "null_value",
                "CSV: a field without quotes that reads so is NULL."}
          .default_text("an empty field"),
      Option<O>{[](O& o) -> auto& { return o.format.timestamp_format; }, "timestamp_format",
                "CSV: how timestamps are written, in strptime's words."}
          .default_text("ISO 8601")
          .example("%d.%m.%Y %H:%M"),
      Option<O>{[](O& o) -> auto& { return o.format.date_format; }, "date_format",
                "CSV: how dates are written, in strptime's words."}
          .default_text("ISO 8601")
          .example("%d.%m.%Y"),
      Option<O>{[](O& o) -> auto& { return o.format.max_line_bytes; }, "max_line_bytes",
                "CSV, JSON: a record that is longer than about this is malformed."}
          .bytes()
          .at_least(Bytes{1}),
      Option<O>{&O::path_glob_filter, "path_glob_filter",
                "Only files whose name fits this pattern."}
          .example("*.csv"),
      Option<O>{&O::recursive_file_lookup, "recursive_file_lookup",
                "Look into the folders below, too."},
      Option<O>{&O::max_files_per_trigger, "max_files_per_trigger",
                "At most so many files in a batch."}
          .at_least(1),
      Option<O>{&O::max_bytes_per_trigger, "max_bytes_per_trigger",
                "At most about so many bytes of files in a batch, and one file at least."}
          .at_least(Bytes{1})
          .example("256MB"),
      Option<O>{&O::max_file_age, "max_file_age",
                "Files this much older than the newest one read are ignored, and need not be "
                "remembered: it bounds the size of the checkpoint."}
          .example("168h"),
      Option<O>{&O::clean_source, "clean_source",
                "What happens to a file once its batch is committed."},
      Option<O>{&O::source_archive_dir, "source_archive_dir",
                "Where `clean_source: archive` moves files, below their paths; on the same file "
                "system, and not where the source looks."}
          .path(),
      Option<O>{&O::settle_time, "settle_time",
                "A file that may still be written is left alone until it has not changed for so "
                "long. Only used where the system can't tell whether somebody writes it."},
      Option<O>{&O::poll_interval, "poll_interval",
                "How often to look for new files where the system does not tell of them."}
          .at_least(std::chrono::milliseconds(10)),
      Option<O>{
          &O::full_listing_interval, "full_listing_interval",
          "S3, with more than a thousand objects: how often all are listed, to find those that "
          "came later under a name that sorts before names that were read. Looks in between "
          "begin behind these."}
          .at_least(std::chrono::milliseconds(0)),
  };
  return kTable;
}

const OptionTable<FilesSinkOptions>& FilesSinkOptions::table() {
  using O = FilesSinkOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::format, "format", "What to write; json is one object a line."},
      Option<O>{&O::compression, "compression",
                "Parquet: snappy, zstd (a third smaller, an eighth slower), gzip, lz4, brotli or "
                "uncompressed. CSV and JSON: none, gzip or zstd. Avro: deflate, which each reader "
                "knows, snappy, zstandard, bzip2, xz or none."}
          .default_text("snappy for Parquet, deflate for Avro, none for the others"),
      Option<O>{&O::schema_file, "schema_file",
                "Avro: a file with the schema to write with (.avsc). Without it, it is made from "
                "the columns, each of which may be null."}
          .path(),
      Option<O>{&O::record_name, "record_name",
                "Avro: the record's full name in a schema that is made."}
          .default_text("the sink's name")
          .example("com.example.Order"),
      Option<O>{&O::on_refused, "on_refused",
                "Avro: what to do with a row that the schema has no bytes for: quarantine puts it "
                "aside with the reason, in the checkpoint's folder `refused`; drop only counts it; "
                "fail stops the pipeline."},
      Option<O>{&O::row_group_size, "row_group_size",
                "Parquet: at most so many rows in a row group."}
          .at_least(2048),
      Option<O>{&O::timestamps, "timestamps",
                "Parquet: int64, in microseconds, as the format has them now; or int96, for old "
                "readers (Hive, Impala, Spark) that know no others. With int96 files have no "
                "statistics and no nested columns."},
      Option<O>{&O::partition_by, "partition_by",
                "Columns that become folders `name=value` instead of being in the files."}
          .example("[event_date]"),
      Option<O>{&O::header, "header", "CSV: begin with the names of the columns."},
      Option<O>{&O::partition_overwrite_mode, "partition_overwrite_mode",
                "Mode complete, with `partition_by`: static replaces the whole table at once; "
                "dynamic only the partitions in which a row has changed, each by one file and in "
                "one step."},
      Option<O>{&O::max_file_size, "max_file_size",
                "Begin another file when one has grown to about this size."}
          .at_least(Bytes{1})
          .default_text("none; with `roll_interval` 128MB")
          .example("128MB"),
      Option<O>{&O::roll_interval, "roll_interval",
                "Mode append: batches go on filling a file until it is so old, or has its "
                "`max_file_size`. Until then committed rows wait in the checkpoint."}
          .at_least(std::chrono::milliseconds(1))
          .example("1h"),
      Option<O>{&O::visible_within, "visible_within",
                "With `roll_interval`: rows can be read so long after their batch. A file is "
                "published before it is finished, and replaced as it grows: not for readers that "
                "take each file once."}
          .at_least(std::chrono::milliseconds(1))
          .example("1m"),
      Option<O>{&O::success_marker, "success_marker",
                "Keep an empty file `_SUCCESS`, touched after each batch."},
      Option<O>{&O::read_back, "read_back",
                "Decode each file once more before it is published; one that has not the rows that "
                "were written ends the run. Not for Avro."},
  };
  return kTable;
}

}  // namespace millrace
