// What reads bytes that others wrote, each as a function that takes any bytes. One that returns is
// content; a finding is a crash, a report of a sanitizer, or an exception. libfuzzer.cc makes a
// program of each, replay_test.cc a unit test of all.
#pragma once

#include <string_view>

namespace millrace::fuzz {

using Target = void(std::string_view input);

/// A first byte `{`, `[` or `"` begins a schema, up to a byte 0; any other chooses one of ours.
/// Then records.
Target avro_decoder;
/// A writer's schema; behind a byte 0 a reader's; behind another one a record.
Target avro_schema;
/// Messages, each behind a byte with its length; 255 begins a chunk.
Target avro_framing;
/// A byte with the size of reads, then a file.
Target avro_container;
/// A byte that chooses the columns, one for the options, then a record.
Target json_decoder;
/// A byte that chooses the version and what is around; then answers of Cassandra or, if it says so,
/// the body of one.
Target cassandra_frames;
/// A byte: 0, then a JSON document of MySQL's binlog; 1, then a byte with the length of a table's
/// description, it, and rows; 2, then an event that MariaDB compressed; another one, then a
/// transaction that MySQL compressed.
Target binlog;
/// A byte: t, then a request's target; a, then the value of Authorization; e, then one of
/// Accept-Encoding; another one, then a request.
Target http_requests;
/// Records in lines.
Target json_infer;
/// A message.
Target debezium;
/// A byte that chooses the status, then answers of a registry with a byte 0 between them.
Target registry;
/// A type.
Target sql_type;

}  // namespace millrace::fuzz
