#include "spec/serve_tables.h"

namespace millrace {

using std::chrono::milliseconds;

OptionTable<ServeOptions> serve_table() {
  using O = ServeOptions;
  return {
      {
          Option<O>{&O::endpoints, "endpoints", "The paths that are answered, as a list."}
              .required(),
          Option<O>{&O::title, "title",
                    "The name of the API, in its description (`/openapi.json`)."}
              .default_text("the pipeline's name")
              .example("Customers"),
          Option<O>{&O::description, "description", "What the API is for, for people."},
          Option<O>{
              &O::envelope, "envelope",
              "The shape of all answers: mappings under `success` and `error`, in which `$data`, "
              "`$message`, `$status`, `$code`, `$hint`, `$batch` and `$watermark` stand for what "
              "differs."}
              .default_text("the data itself; errors are {code, message, hint}")
              .example("{ success: { data: $data }, error: { error: $message } }"),
          Option<O>{&O::errors, "errors",
                    "Messages in place of the usual ones, by the code of the error; or mappings."}
              .example("{ not_found: nothing here }"),
          Option<O>{
              &O::cache_size, "cache_size",
              "How much memory answers may take that are kept until a batch changes what they "
              "were made of. 0: none is kept."},
          Option<O>{
              &O::file_cache_size, "file_cache_size",
              "How much memory rows of files may take. Queries of endpoints for the rows with a "
              "value (`WHERE customer_id = $id`) find them there, sorted by it, once a file was "
              "asked for twice. 0: none are kept."},
          Option<O>{
              &O::query_threads, "query_threads",
              "How many queries run at once. Rows that are found by their key, and answers that "
              "were kept, need none of these threads."}
              .at_least(1)
              .at_most(1024),
          Option<O>{&O::query_queue, "query_queue",
                    "How many queries may wait for a thread; further ones are refused with 503."}
              .at_least(1)
              .at_most(1'000'000),
          Option<O>{&O::refresh, "refresh",
                    "How old the list of files of a source may be, and, without a run in the same "
                    "process, what is known of the checkpoint."}
              .at_least(milliseconds(10)),
          Option<O>{&O::wait_timeout, "wait_timeout",
                    "The longest that a request may wait for a batch (`wait_for_batch`)."}
              .at_least(milliseconds(1)),
          Option<O>{&O::max_rows, "max_rows",
                    "The most rows of an answer, if its endpoint says no other number."}
              .at_least(1)
              .at_most(10'000'000),
          Option<O>{&O::timeout, "timeout",
                    "How long an answer may take, if its endpoint says nothing else."}
              .at_least(milliseconds(1)),
          Option<O>{
              &O::unknown_parameters, "unknown_parameters",
              "What becomes of a query parameter that the endpoint does not have: `ignore`, or "
              "`refuse` with 400."},
      },
      http::ServerOptions::options<O>([](O& o) -> auto& { return o.server; })};
}

OptionTable<EnvelopeOptions> envelope_table() {
  using O = EnvelopeOptions;
  return {
      Option<O>{&O::success, "success", "The shape of results."}.default_text("$data").example(
          "{ status: success, message: $message, data: $data }"),
      Option<O>{&O::error, "error", "The shape of errors."}
          .default_text("{ code: $code, message: $message, hint: $hint }")
          .example("{ status: error, message: $message, data: {} }"),
  };
}

OptionTable<ErrorOptions> error_table() {
  using O = ErrorOptions;
  return {
      Option<O>{&O::message, "message", "`$message` of the envelope."}
          .default_text("the usual one")
          .example("no such customer"),
      Option<O>{&O::code, "code", "`$code` of the envelope."}
          .default_text("the usual one")
          .example("E1004"),
      Option<O>{&O::status, "status", "The status of HTTP: 400 to 599, or 200."}
          .default_text("the usual one")
          .at_least(200)
          .at_most(599)
          .example("422"),
  };
}

OptionTable<EndpointOptions> endpoint_table() {
  using O = EndpointOptions;
  return {
      Option<O>{&O::get, "get",
                "The path, with parameters in braces. An endpoint has `get`, or `changes`."}
          .example("/customer/{id}"),
      Option<O>{&O::changes, "changes",
                "A table whose changed rows are sent as server-sent events."}
          .example("profile"),
      Option<O>{&O::path, "path", "Of `changes`: its path."}.default_text("/<table>/changes"),
      Option<O>{&O::parameters, "parameters",
                "The parameters of the path and the query string, by their names."},
      Option<O>{&O::query, "query",
                "A SELECT, or the path of a `.sql` file, over datasets that are tables, sinks that "
                "can be read back, and sources that are tables or lookups. `$name` is the value of "
                "a parameter, and never part of the SQL."}
          .example("SELECT * FROM profile WHERE customer_id = $id"),
      Option<O>{&O::returns, "returns", "`many`: an array of rows. `one`: the first row alone."},
      Option<O>{&O::empty, "empty",
                "The answer without a row: `not_found` is an error (404), `ok` an empty array, or "
                "null."}
          .default_text("`not_found` for one, `ok` for many"),
      Option<O>{&O::message, "message", "`$message` of the envelope, for success."},
      Option<O>{&O::data, "data", "A key that the row, or the rows, come under."}
          .default_text("none: `$data` is the row, or the rows")
          .example("profile"),
      Option<O>{&O::description, "description", "What it answers, for people."},
      Option<O>{&O::errors, "errors",
                "Messages in place of those of `serve`, by the code of the error; or mappings."}
          .example("{ not_found: no such customer }"),
      Option<O>{&O::max_rows, "max_rows",
                "The most rows of an answer. Where there are more, it has the head "
                "`Millrace-Truncated: true`."}
          .default_text("that of `serve`")
          .at_least(1)
          .at_most(10'000'000),
      Option<O>{&O::timeout, "timeout", "How long an answer may take; longer ones end with 504."}
          .default_text("that of `serve`")
          .at_least(milliseconds(1)),
      Option<O>{&O::cache, "cache",
                "Whether answers are kept until a batch changes what they were made of. Those of "
                "lookups never are."},
      Option<O>{&O::max_age, "max_age",
                "For how long clients and proxies may use an answer without asking again."},
      Option<O>{&O::unknown_parameters, "unknown_parameters",
                "What becomes of a query parameter that the endpoint does not have."}
          .default_text("that of `serve`"),
  };
}

OptionTable<ParameterOptions> parameter_table() {
  using O = ParameterOptions;
  return {
      Option<O>{&O::type, "type",
                "What it is. SQL sees BIGINT, DOUBLE, VARCHAR, BOOLEAN, DATE, "
                "or TIMESTAMP (UTC)."},
      Option<O>{&O::in, "in", "Where it stands."}.default_text(
          "`path` if the path has it, else `query`"),
      Option<O>{&O::required, "required",
                "Whether a request without it is refused. One of the path always is there."},
      Option<O>{&O::default_value, "default", "Its value if it is not given."}
          .default_text("NULL")
          .example("100"),
      Option<O>{&O::minimum, "minimum", "The least value; of a string, its least length."}.example(
          "1"),
      Option<O>{&O::maximum, "maximum", "The greatest value; of a string, its greatest length."}
          .default_text("1000 of a string's length")
          .example("1000"),
      Option<O>{&O::pattern, "pattern", "Of a string: a regular expression that all of it matches."}
          .example("[A-Z]{2}"),
      Option<O>{&O::allowed, "enum", "Of a string: the values that it may have."}.example(
          "[LIKE, WISHLIST]"),
      Option<O>{&O::error, "error", "The message when it is missing or wrong (400)."}
          .default_text("that of `invalid_parameter`")
          .example("invalid_customer_id"),
      Option<O>{&O::description, "description", "What it is for, for people."},
      Option<O>{&O::example, "example", "A value for the API's description."},
  };
}

}  // namespace millrace
