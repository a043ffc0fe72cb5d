#include "spec/tables.h"

namespace millrace {

using std::chrono::milliseconds;

OptionTable<PipelineOptions> pipeline_table() {
  using O = PipelineOptions;
  return {
      Option<O>{&O::pipeline, "pipeline",
                "The name of the pipeline, and of its checkpoint: lower-case letters, digits, `-` "
                "and `_`."}
          .required()
          .example("orders"),
      Option<O>{
          &O::trigger, "trigger",
          "When a batch begins. A duration: so often. `as_fast_as_possible`: as soon as there "
          "is something new. `available_now`: batches until all that is there now is done, "
          "then the end. `once`: one batch, within the limits of its sources, then the end."}
          .default_text("as_fast_as_possible")
          .example("60s"),
      Option<O>{&O::threads, "threads", "How many threads run the SQL."}
          .default_text("as many as the machine has")
          .example("2")
          .at_least(1)
          .at_most(1024),
      Option<O>{&O::memory_limit_bytes, "memory_limit",
                "How much memory the SQL and its state may use. What is not state goes to disk "
                "beyond it; if the state itself needs more, the pipeline ends with an error."}
          .bytes()
          .default_text("80% of the machine's, or of its control group's")
          .example("2GB")
          .at_least(Bytes{16'000'000}),
      Option<O>{&O::watermark_policy, "watermark_policy",
                "Where rows of several watermarks meet: `min` waits for the slowest source, `max` "
                "follows the fastest, and what the others still give is late."},
      Option<O>{
          &O::checkpoint, "checkpoint",
          "Where and how progress and state are kept, so that a restart goes on exactly where "
          "the pipeline stopped."},
      Option<O>{&O::connections, "connections",
                "Systems, each under a name that sources and sinks use."},
      Option<O>{&O::sources, "sources", "What is read, each under the name that SQL uses for it."}
          .example("{ ticks: { from: rate } }"),
      Option<O>{&O::datasets, "datasets",
                "SQL over sources and other datasets, each under the name of its result."},
      Option<O>{&O::checks, "checks",
                "Quality checks: what has to be true of the rows of a source or dataset, each "
                "with what becomes of rows that do not pass."},
      Option<O>{&O::sinks, "sinks", "What is written, and where to."}
          .default_text("none: required without `serve`")
          .example("{ show: { from: orders, to: console } }"),
      Option<O>{&O::quarantine, "quarantine",
                "A sink for all that is put aside: what sources can't read, sinks can't write, and "
                "quality checks take out. It is kept in the checkpoint as well."}
          .default_text("none: it is kept in the checkpoint only")
          .example("{ to: lake, format: json }"),
      Option<O>{&O::serve, "serve",
                "Which requests are answered over HTTP, and with what: results of SQL with the "
                "requests' parameters."}
          .default_text("none")
          .example("{ endpoints: [{ get: /totals, query: FROM totals }] }"),
      Option<O>{
          &O::alerts, "alerts",
          "What is watched, and who is told when it is not as it should be: by a webhook, the "
          "log, or a topic."}
          .default_text("none")
          .example("{ rules: [{ name: behind, metric: lag_rows, above: 100000, for: 5m }] }"),
      Option<O>{&O::control, "control",
                "The server of the control API of `millrace run`: where it listens, who may ask."}
          .default_text("127.0.0.1:8420, or the next free port, for this machine alone")
          .example("{ users: { ops: { token: ${env:OPS_TOKEN}, permission: control } } }"),
      Option<O>{&O::history, "history",
                "How much is kept of batches and events, for those who look back."}
          .example("{ batches: 50000, details: 1000 }"),
  };
}

OptionTable<CheckpointSpec> checkpoint_table() {
  using O = CheckpointSpec;
  return {
      Option<O>{&O::path, "path", "The folder of the checkpoint, on a local file system."}
          .path()
          .default_text(".millrace/<pipeline>")
          .example("/var/lib/millrace/orders"),
      Option<O>{
          &O::sync, "sync",
          "Whether a batch counts as committed only when the disk has it. Without, a crash of "
          "the machine (not of the process) may undo the last batches."},
      Option<O>{&O::snapshot_interval, "snapshot_interval",
                "How often the whole state is written, so that a restart need not read a long log."}
          .at_least(milliseconds(100)),
      Option<O>{&O::snapshot_log_bytes, "snapshot_log_size",
                "The state is also written as a whole once its log has grown by this much."}
          .bytes()
          .at_least(Bytes{1}),
  };
}

OptionTable<ConnectionOptions> connection_table() {
  using O = ConnectionOptions;
  return {
      Option<O>{&O::type, "type", "The kind of system."}.required().example("files"),
  };
}

OptionTable<WatermarkSpec> watermark_table() {
  using O = WatermarkSpec;
  return {
      Option<O>{&O::column, "column",
                "The TIMESTAMP that says when a row happened: its event time."}
          .required()
          .example("event_time"),
      Option<O>{&O::delay, "delay",
                "How far behind the newest row a row may come. The watermark is the newest event "
                "time less this; what it has passed is complete."}
          .required()
          .example("10m"),
      Option<O>{
          &O::partition, "partition",
          "A column whose values have watermarks of their own, of which the least counts: for "
          "partitions or devices that are not in step."}
          .default_text("none: all rows have one watermark")
          .example("device_id"),
      Option<O>{&O::idle_timeout, "idle_timeout",
                "A source (or partition) that gives no rows for so long does not hold the others "
                "back; when it comes back, what others have passed meanwhile is late."}
          .default_text("0s: it is waited for")
          .example("5m"),
  };
}

OptionTable<SourceOptions> source_table() {
  using O = SourceOptions;
  return {
      Option<O>{&O::from, "from",
                "What to read from: the name of a connection, a connection written here (`{ type: "
                "..., ... }`), or just the kind of system if it needs no options."}
          .required()
          .example("rate"),
      Option<O>{&O::as, "as",
                "`stream`: a batch sees the rows that are new. `table`: a batch sees all of it, as "
                "it is then. `lookup`: a table that is not read, but asked for the keys that the "
                "rows of a stream have, where a stream is joined with it."},
      Option<O>{&O::refresh, "refresh",
                "Of a table: how often to look whether it has changed. Files that have not are not "
                "read again."}
          .default_text("in every batch")
          .example("5m"),
      Option<O>{&O::key, "key",
                "Of a lookup: the column, or columns, that it is looked up by. Joins have to "
                "compare all of them with values of the stream by `=`."}
          .default_text("none: required for a lookup")
          .example("[customer_id]"),
      Option<O>{&O::cache_ttl, "cache_ttl",
                "Of a lookup: how old what was found for a key may be when a batch begins. Keys "
                "without a row are remembered, too."}
          .default_text("10m")
          .example("1m")
          .at_least(milliseconds(0)),
      Option<O>{&O::cache_rows, "cache_rows",
                "Of a lookup: how many rows, or keys without one, are remembered at most; those "
                "not used for longest are forgotten first."}
          .default_text("100000")
          .example("1000000")
          .at_least(1),
      Option<O>{&O::cache_size, "cache_size",
                "Of a lookup: how much memory they may take, whatever their number."}
          .default_text("64MiB")
          .example("1GB")
          .at_least(Bytes{1}),
      Option<O>{&O::watermark, "watermark",
                "Event time: how late rows may come, so that windows can be closed."}
          .example("{ column: event_time, delay: 10m }"),
      Option<O>{&O::alert_malformed_share, "alert_malformed_share",
                "Say so, as an error in the log and as one of the `alerts` of the progress, when "
                "more than this share of a batch's records are malformed."}
          .at_least(0)
          .at_most(1)
          .example("0.01"),
  };
}

OptionTable<DatasetOptions> dataset_table() {
  using O = DatasetOptions;
  return {
      Option<O>{&O::sql, "sql",
                "A SELECT, or the path of a file (ending in `.sql`) that holds one."}
          .required()
          .example("SELECT * FROM orders"),
      Option<O>{&O::watermark, "watermark",
                "As that of a source, for an event time that the SQL computes."}
          .example("{ column: event_time, delay: 10m }"),
      Option<O>{&O::state_ttl, "state_ttl",
                "Forgets a group that no row has reached for so long (at most a 64th more) in the "
                "batches' time, or a key of DISTINCT so long after its first row; a new row begins "
                "it afresh. Windows of event time are closed by their watermark instead."}
          .default_text("groups are kept for ever")
          .example("7d")
          .at_least(milliseconds(1)),
  };
}

OptionTable<CheckOptions> check_table() {
  using O = CheckOptions;
  return {
      Option<O>{&O::name, "name",
                "The name under which violations are counted, unique among the checks of the "
                "source or dataset."}
          .required()
          .example("positive_amount"),
      Option<O>{&O::expect, "expect",
                "An SQL expression over the columns of a row. A row passes if it is true; NULL is "
                "a violation, as false is. A check has this or one of `references`, `unique` and "
                "`sequence`."}
          .example("amount > 0"),
      Option<O>{&O::references, "references",
                "`table.column`: the row's column has a value that this column of a table has, "
                "as of the batch. NULL passes."}
          .example("customers.customer_id"),
      Option<O>{&O::column, "column",
                "Of `references`: the column of the row, if it is called otherwise there."}
          .default_text("the name of the table's column")
          .example("customer_id"),
      Option<O>{&O::unique, "unique",
                "No two rows have the same values in these columns. It takes memory for each "
                "value: for ever, or, if the rows have a watermark, for its delay."}
          .example("[txn_id]"),
      Option<O>{&O::sequence, "sequence",
                "The numbers of this column have no gaps, from batch to batch. A violation is a "
                "missing number, not a row."}
          .example("txn_id"),
      Option<O>{&O::max_share, "max_share",
                "How large a share of a batch's rows may violate the check before the batch as a "
                "whole does: with `fail` it fails, with all others an alert is given."}
          .default_text("none: `fail` fails with the first row")
          .at_least(0)
          .at_most(1)
          .example("0.05"),
      Option<O>{&O::otherwise, "otherwise",
                "What becomes of rows that do not pass. `warn`: they go on. `drop`: they do not. "
                "`quarantine`: they do not, and are put aside to be looked at. `fail`: the batch "
                "fails, and nothing of it is committed. They are counted in each case."}
          .required()
          .example("quarantine"),
  };
}

OptionTable<SinkOptions> sink_table() {
  using O = SinkOptions;
  return {
      Option<O>{&O::from, "from", "The dataset, or source, whose rows are written."}
          .default_text("none: this or `late` is required")
          .example("orders"),
      Option<O>{&O::late, "late",
                "In place of `from`: the dataset whose late rows are written. They are the rows of "
                "the stream that it reads, with all columns, which came when their window was "
                "closed already; as they are final, the mode is `append`."}
          .example("hourly"),
      Option<O>{
          &O::to, "to",
          "Where to write: the name of a connection, a connection written here (`{ type: ..., "
          "... }`), or just the kind of system if it needs no options."}
          .required()
          .example("console"),
      Option<O>{
          &O::mode, "mode",
          "`append`: rows that are final. `update`: new and changed rows, by key. `complete`: "
          "the whole table, replaced at once."}
          .default_text("what fits the dataset and the sink"),
      Option<O>{&O::key, "key", "In mode `update`: the columns that identify a row."}
          .default_text("the columns the dataset is grouped by")
          .example("[customer_id]"),
      Option<O>{&O::delete_column, "delete",
                "In mode `update`: a BOOLEAN column of the dataset, which is not written. Where it "
                "is true, the row of this key is deleted from the sink."}
          .example("deleted"),
  };
}

OptionTable<QuarantineOptions> quarantine_table() {
  using O = QuarantineOptions;
  return {
      Option<O>{&O::to, "to",
                "Where to write, as `to` of a sink. It has to be a system that appends rows."}
          .required()
          .example("console"),
  };
}

}  // namespace millrace
