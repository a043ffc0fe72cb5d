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
      Option<O>{&O::sinks, "sinks", "What is written, and where to."}.required().example(
          "{ show: { from: orders, to: console } }"),
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
                "it is then."},
      Option<O>{&O::refresh, "refresh",
                "Of a table: how often to look whether it has changed. Files that have not are not "
                "read again."}
          .default_text("in every batch")
          .example("5m"),
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
  };
}

}  // namespace millrace
