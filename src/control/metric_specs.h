// Every metric of millrace, declared once: what is counted, the page of the reference, and the
// tests follow from this.
#pragma once

#include <array>

#include "base/metrics.h"

namespace millrace::control::metric {

inline constexpr std::array kSeconds = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                        0.025,   0.05,   0.1,   0.25,   0.5,   1.0,
                                        2.5,     5.0,    10.0,  30.0,   60.0,  300.0};
// As serve/stats.h counts them.
inline constexpr std::array kLatencies = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                          0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                          1.0,    2.5,     5.0,    10.0};

using enum MetricType;

// Pipelines
inline constexpr MetricSpec kState{
    .name = "millrace_pipeline_state",
    .type = gauge,
    .help =
        "1 for the state that the pipeline is in, 0 for the others: starting, running, paused, "
        "failed, stopped.",
    .labels = {"pipeline", "state"}};
inline constexpr MetricSpec kRestarts{
    .name = "millrace_pipeline_restarts_total",
    .type = counter,
    .help = "Attempts that were begun anew, as a system outside was lost in the middle of a batch.",
    .labels = {"pipeline"}};
inline constexpr MetricSpec kMemory{
    .name = "millrace_pipeline_memory_bytes",
    .type = gauge,
    .help = "Memory of the pipeline's state and of rows under way, after the last batch.",
    .labels = {"pipeline"}};

// Batches
inline constexpr MetricSpec kBatches{.name = "millrace_batches_total",
                                     .type = counter,
                                     .help = "Batches by outcome: committed, failed.",
                                     .labels = {"pipeline", "outcome"}};
inline constexpr MetricSpec kFailures{
    .name = "millrace_batch_failures_total",
    .type = counter,
    .help =
        "Failed batches by the part they failed at (dataset totals, sink lake, commit), and "
        "whether millrace tries again by itself: retried is yes or no.",
    .labels = {"pipeline", "part", "retried"}};
inline constexpr MetricSpec kLastSuccess{.name = "millrace_batch_last_success_timestamp_seconds",
                                         .type = gauge,
                                         .help = "When the last batch was committed.",
                                         .labels = {"pipeline"}};
inline constexpr MetricSpec kLastBatch{.name = "millrace_batch_last_id",
                                       .type = gauge,
                                       .help = "The number of the last committed batch.",
                                       .labels = {"pipeline"}};
inline constexpr MetricSpec kBatchSeconds{.name = "millrace_batch_duration_seconds",
                                          .type = histogram,
                                          .help = "How long batches took until their commit.",
                                          .labels = {"pipeline"},
                                          .buckets = kSeconds};
inline constexpr MetricSpec kPhaseSeconds{
    .name = "millrace_batch_phase_duration_seconds",
    .type = histogram,
    .help = "The same by phase: plan, read, run, stage, commit.",
    .labels = {"pipeline", "phase"},
    .buckets = kSeconds};
inline constexpr MetricSpec kFreshness{
    .name = "millrace_batch_freshness_seconds",
    .type = gauge,
    .help =
        "How old the newest row was when the last batch was committed, by its event time; "
        "without event time, how long the batch took.",
    .labels = {"pipeline"}};

// Sources
inline constexpr MetricSpec kSourceRows{
    .name = "millrace_source_rows_total",
    .type = counter,
    .help = "Records read in committed batches, malformed ones too.",
    .labels = {"pipeline", "source"}};
inline constexpr MetricSpec kSourceBytes{.name = "millrace_source_bytes_total",
                                         .type = counter,
                                         .help = "Bytes read, of sources that know.",
                                         .labels = {"pipeline", "source"}};
inline constexpr MetricSpec kSourceMalformed{.name = "millrace_source_malformed_rows_total",
                                             .type = counter,
                                             .help = "Records that could not be decoded.",
                                             .labels = {"pipeline", "source"}};
inline constexpr MetricSpec kLagRows{
    .name = "millrace_source_lag_rows",
    .type = gauge,
    .help =
        "Rows that the system had and the last batch did not read, by partition (orders/0). "
        "From 100 partitions of a source on, their sum under the partition other.",
    .labels = {"pipeline", "source", "partition"}};
inline constexpr MetricSpec kLagSeconds{
    .name = "millrace_source_lag_seconds",
    .type = gauge,
    .help =
        "How far behind in time, estimated: lag in rows by the rows a second that the last "
        "batches have read.",
    .labels = {"pipeline", "source"}};

// Event time
inline constexpr MetricSpec kWatermark{.name = "millrace_watermark_timestamp_seconds",
                                       .type = gauge,
                                       .help = "The watermark of a source or dataset that has one.",
                                       .labels = {"pipeline", "source"}};
inline constexpr MetricSpec kNewestEvent{
    .name = "millrace_newest_event_timestamp_seconds",
    .type = gauge,
    .help = "Event time of the newest row of a source or dataset with a watermark.",
    .labels = {"pipeline", "source"}};
inline constexpr MetricSpec kWatermarkIdle{
    .name = "millrace_watermark_idle",
    .type = gauge,
    .help = "1 if a source gave no rows for its idle timeout and holds nobody back.",
    .labels = {"pipeline", "source"}};
inline constexpr MetricSpec kHolder{
    .name = "millrace_watermark_holder_behind_seconds",
    .type = gauge,
    .help =
        "Of the source (and partition) that holds the pipeline's watermark back: how much "
        "further it would be without it.",
    .labels = {"pipeline", "source", "partition"}};

// The graph
inline constexpr MetricSpec kEdgeRows{
    .name = "millrace_edge_rows_total",
    .type = counter,
    .help = "Rows that went from a source or dataset to a dataset or sink (sink:name).",
    .labels = {"pipeline", "from", "to"}};
inline constexpr MetricSpec kEdgeBytes{
    .name = "millrace_edge_bytes_total",
    .type = counter,
    .help = "The bytes of these rows in memory, estimated from samples.",
    .labels = {"pipeline", "from", "to"}};
inline constexpr MetricSpec kDatasetRows{
    .name = "millrace_dataset_rows_total",
    .type = counter,
    .help =
        "Rows of a source or dataset by what became of them: in and emitted (from state, or "
        "made by joins) are as many as out, filtered, late, duplicate, quarantined and "
        "absorbed (into state) together.",
    .labels = {"pipeline", "dataset", "flow"}};
inline constexpr MetricSpec kDatasetSeconds{
    .name = "millrace_dataset_seconds_total",
    .type = counter,
    .help = "The time that a source's or dataset's own work took of the batches.",
    .labels = {"pipeline", "dataset"}};
inline constexpr MetricSpec kStateRows{.name = "millrace_dataset_state_rows",
                                       .type = gauge,
                                       .help = "Groups, keys and rows in state.",
                                       .labels = {"pipeline", "dataset"}};
inline constexpr MetricSpec kStateBytes{.name = "millrace_dataset_state_bytes",
                                        .type = gauge,
                                        .help = "Memory of this state.",
                                        .labels = {"pipeline", "dataset"}};
inline constexpr MetricSpec kOpenWindows{.name = "millrace_dataset_open_windows",
                                         .type = gauge,
                                         .help = "Windows that are not closed yet.",
                                         .labels = {"pipeline", "dataset"}};

// Checks
inline constexpr MetricSpec kCheckRows{.name = "millrace_check_rows_total",
                                       .type = counter,
                                       .help = "Rows that a quality check looked at.",
                                       .labels = {"pipeline", "dataset", "check", "consequence"}};
inline constexpr MetricSpec kCheckViolations{
    .name = "millrace_check_violations_total",
    .type = counter,
    .help = "Of them, rows that did not pass; of a sequence, numbers that are missing.",
    .labels = {"pipeline", "dataset", "check", "consequence"}};

// Sinks
inline constexpr MetricSpec kSinkRows{.name = "millrace_sink_rows_total",
                                      .type = counter,
                                      .help = "Rows written in committed batches.",
                                      .labels = {"pipeline", "sink"}};
inline constexpr MetricSpec kSinkRefused{.name = "millrace_sink_refused_rows_total",
                                         .type = counter,
                                         .help = "Rows that the sink could not write.",
                                         .labels = {"pipeline", "sink"}};
inline constexpr MetricSpec kSinkBytes{.name = "millrace_sink_bytes_total",
                                       .type = counter,
                                       .help = "Bytes written, of sinks that know.",
                                       .labels = {"pipeline", "sink"}};
inline constexpr MetricSpec kSinkFiles{.name = "millrace_sink_files_total",
                                       .type = counter,
                                       .help = "Files written.",
                                       .labels = {"pipeline", "sink"}};
inline constexpr MetricSpec kSinkCommits{.name = "millrace_sink_commits_total",
                                         .type = counter,
                                         .help = "Committed batches in which it got rows.",
                                         .labels = {"pipeline", "sink"}};
inline constexpr MetricSpec kSinkRetries{
    .name = "millrace_sink_retries_total",
    .type = counter,
    .help =
        "What was tried again because the sink's system was away, or refused it for the time "
        "being: batches, and what the sink repeats by itself within one. Counted at the end of the "
        "batch. What clients of systems repeat unasked (librdkafka, S3) is not in it.",
    .labels = {"pipeline", "sink"}};
inline constexpr MetricSpec kSinkSeconds{
    .name = "millrace_sink_seconds_total",
    .type = counter,
    .help =
        "Time spent with a sink: taking rows (write), closing and syncing (stage), publishing "
        "(publish).",
    .labels = {"pipeline", "sink", "phase"}};

// The checkpoint
inline constexpr MetricSpec kCheckpointSeconds{
    .name = "millrace_checkpoint_seconds_total",
    .type = counter,
    .help = "Time spent writing the checkpoint's logs: offsets before a batch, commit after it.",
    .labels = {"pipeline", "log"}};
inline constexpr MetricSpec kCheckpointBytes{.name = "millrace_checkpoint_state_bytes_total",
                                             .type = counter,
                                             .help = "Changed state written to the log.",
                                             .labels = {"pipeline"}};
inline constexpr MetricSpec kSnapshotSeconds{
    .name = "millrace_snapshot_duration_seconds",
    .type = histogram,
    .help = "How long copying all states for a snapshot took; it becomes durable beside batches.",
    .labels = {"pipeline"},
    .buckets = kSeconds};
inline constexpr MetricSpec kSnapshotBytes{.name = "millrace_snapshot_bytes",
                                           .type = gauge,
                                           .help = "The size of the last snapshot.",
                                           .labels = {"pipeline"}};

// Alerts
inline constexpr MetricSpec kAlerts{
    .name = "millrace_alerts",
    .type = gauge,
    .help =
        "Alerts of the pipeline's file that are pending (true, and not for long enough), and "
        "that are firing.",
    .labels = {"pipeline", "state"}};
inline constexpr MetricSpec kAlertNoticesWaiting{
    .name = "millrace_alert_notices_waiting",
    .type = gauge,
    .help = "Notices of alerts that receivers have not taken yet.",
    .labels = {"pipeline"}};
inline constexpr MetricSpec kAlertNotices{
    .name = "millrace_alert_notices_total",
    .type = counter,
    .help = "Notices of alerts by what became of them: sent, given_up (refused, or not in time).",
    .labels = {"pipeline", "outcome"}};

// Results
inline constexpr MetricSpec kEndpointRequests{
    .name = "millrace_endpoint_requests_total",
    .type = counter,
    .help = "Answers by what they were: ok, client_error (4xx), server_error (5xx).",
    .labels = {"pipeline", "endpoint", "result"}};
inline constexpr MetricSpec kEndpointSeconds{
    .name = "millrace_endpoint_request_duration_seconds",
    .type = histogram,
    .help = "How long answers took, from the whole request to the answer's being made.",
    .labels = {"pipeline", "endpoint"},
    .buckets = kLatencies};
inline constexpr MetricSpec kEndpointRows{.name = "millrace_endpoint_rows_total",
                                          .type = counter,
                                          .help = "Rows in answers.",
                                          .labels = {"pipeline", "endpoint"}};
inline constexpr MetricSpec kEndpointCacheHits{
    .name = "millrace_endpoint_cache_hits_total",
    .type = counter,
    .help = "Answers that were kept from an earlier request.",
    .labels = {"pipeline", "endpoint"}};
inline constexpr MetricSpec kEndpointNotModified{
    .name = "millrace_endpoint_not_modified_total",
    .type = counter,
    .help = "Requests of clients that had the answer already (304).",
    .labels = {"pipeline", "endpoint"}};
inline constexpr MetricSpec kServeKeptBytes{
    .name = "millrace_serve_kept_bytes",
    .type = gauge,
    .help = "Memory of what is kept for requests to come: answers, and rows of a lake's files.",
    .labels = {"pipeline", "what"}};
inline constexpr MetricSpec kServeKept{.name = "millrace_serve_kept",
                                       .type = gauge,
                                       .help = "How many are kept: answers, files.",
                                       .labels = {"pipeline", "what"}};
inline constexpr MetricSpec kServeFileReads{
    .name = "millrace_serve_file_lookups_total",
    .type = counter,
    .help = "Files that a request by key had to look into: in memory (kept), or not (read).",
    .labels = {"pipeline", "result"}};
inline constexpr MetricSpec kServeWaiting{.name = "millrace_serve_queries_waiting",
                                          .type = gauge,
                                          .help = "Requests that wait for a thread for queries.",
                                          .labels = {"pipeline"}};
inline constexpr MetricSpec kServeFollowers{.name = "millrace_serve_followers",
                                            .type = gauge,
                                            .help = "Clients that follow the changes of tables.",
                                            .labels = {"pipeline"}};
inline constexpr MetricSpec kHttpRequests{
    .name = "millrace_http_requests_total",
    .type = counter,
    .help = "Requests answered by an HTTP server, by the class of their status: 2xx, 4xx ...",
    .labels = {"server", "status"}};
inline constexpr MetricSpec kHttpConnections{.name = "millrace_http_connections",
                                             .type = gauge,
                                             .help = "Open connections.",
                                             .labels = {"server"}};
inline constexpr MetricSpec kHttpInFlight{.name = "millrace_http_requests_in_flight",
                                          .type = gauge,
                                          .help = "Requests that are being worked on.",
                                          .labels = {"server"}};
inline constexpr MetricSpec kHttpStreams{.name = "millrace_http_event_streams",
                                         .type = gauge,
                                         .help = "Clients that listen to events.",
                                         .labels = {"server"}};
inline constexpr MetricSpec kHttpBytes{.name = "millrace_http_bytes_total",
                                       .type = counter,
                                       .help = "Bytes of requests (in) and answers (out).",
                                       .labels = {"server", "direction"}};
inline constexpr MetricSpec kHttpRefused{
    .name = "millrace_http_refused_total",
    .type = counter,
    .help =
        "What a server turned away, by reason: connections (too many), rate_limit, "
        "authentication, tls, timeout, slow_stream.",
    .labels = {"server", "reason"}};

// The process
inline constexpr MetricSpec kBuild{.name = "millrace_build_info",
                                   .type = gauge,
                                   .help = "1, with the version as a label.",
                                   .labels = {"version"}};
inline constexpr MetricSpec kStartTime{
    .name = "process_start_time_seconds", .type = gauge, .help = "When the process was started."};
inline constexpr MetricSpec kUptime{
    .name = "millrace_uptime_seconds", .type = gauge, .help = "For how long the process has run."};
inline constexpr MetricSpec kCpu{
    .name = "process_cpu_seconds_total", .type = counter, .help = "CPU time, user and system."};
inline constexpr MetricSpec kResident{
    .name = "process_resident_memory_bytes", .type = gauge, .help = "Memory in use."};
inline constexpr MetricSpec kVirtual{
    .name = "process_virtual_memory_bytes", .type = gauge, .help = "Address space in use."};
inline constexpr MetricSpec kOpenFiles{
    .name = "process_open_fds", .type = gauge, .help = "Open files and sockets."};
inline constexpr MetricSpec kMaxFiles{
    .name = "process_max_fds", .type = gauge, .help = "How many of them there may be."};
inline constexpr MetricSpec kThreads{.name = "process_threads", .type = gauge, .help = "Threads."};

inline constexpr std::array kAll = {&kState,
                                    &kRestarts,
                                    &kMemory,
                                    &kBatches,
                                    &kFailures,
                                    &kLastSuccess,
                                    &kLastBatch,
                                    &kBatchSeconds,
                                    &kPhaseSeconds,
                                    &kFreshness,
                                    &kSourceRows,
                                    &kSourceBytes,
                                    &kSourceMalformed,
                                    &kLagRows,
                                    &kLagSeconds,
                                    &kWatermark,
                                    &kNewestEvent,
                                    &kWatermarkIdle,
                                    &kHolder,
                                    &kEdgeRows,
                                    &kEdgeBytes,
                                    &kDatasetRows,
                                    &kDatasetSeconds,
                                    &kStateRows,
                                    &kStateBytes,
                                    &kOpenWindows,
                                    &kCheckRows,
                                    &kCheckViolations,
                                    &kSinkRows,
                                    &kSinkRefused,
                                    &kSinkBytes,
                                    &kSinkFiles,
                                    &kSinkCommits,
                                    &kSinkRetries,
                                    &kSinkSeconds,
                                    &kCheckpointSeconds,
                                    &kCheckpointBytes,
                                    &kSnapshotSeconds,
                                    &kSnapshotBytes,
                                    &kAlerts,
                                    &kAlertNoticesWaiting,
                                    &kAlertNotices,
                                    &kEndpointRequests,
                                    &kEndpointSeconds,
                                    &kEndpointRows,
                                    &kEndpointCacheHits,
                                    &kEndpointNotModified,
                                    &kServeKeptBytes,
                                    &kServeKept,
                                    &kServeFileReads,
                                    &kServeWaiting,
                                    &kServeFollowers,
                                    &kHttpRequests,
                                    &kHttpConnections,
                                    &kHttpInFlight,
                                    &kHttpStreams,
                                    &kHttpBytes,
                                    &kHttpRefused,
                                    &kBuild,
                                    &kStartTime,
                                    &kUptime,
                                    &kCpu,
                                    &kResident,
                                    &kVirtual,
                                    &kOpenFiles,
                                    &kMaxFiles,
                                    &kThreads};

}  // namespace millrace::control::metric
