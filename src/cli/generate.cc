// millrace generate: sample data into files, a topic or a database.
#include "cli/generate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <iterator>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/files.h"
#include "base/strings.h"
#include "cli/command.h"
#include "runtime/signals.h"

namespace millrace::cli {

namespace {

// Rows may come so much before their time: waiting for each one would cost more than making it.
constexpr auto kEarly = std::chrono::milliseconds(5);
constexpr auto kShowEvery = std::chrono::milliseconds(100);

constexpr std::int64_t kMillisOfDay = 86'400'000;

// A topic that is written without an end, as a shop's customers would.
constexpr double kLiveRate = 10;

/// What depends on other options if it is not said.
struct Asked {
  std::optional<std::int64_t> rows;
  std::string start;
};

std::int64_t now_ms() { return make_clock()->now_us() / 1000; }

/// "now", "yesterday" (its first moment), or a time such as 2026-01-01T00:00:00Z, in milliseconds
/// since 1970.
std::int64_t time_of(const std::string& text) {
  if (text == "now") {
    return now_ms();
  }
  if (text == "yesterday") {
    return (now_ms() / kMillisOfDay - 1) * kMillisOfDay;
  }
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == nullptr || *end != '\0') {
    throw Error(Blame::user, fmt::format("--start must be now, yesterday, or a time such as "
                                         "2026-01-01T00:00:00Z, not {}",
                                         text));
  }
  return static_cast<std::int64_t>(::timegm(&parts)) * 1000;
}

bool is_database(const GenerateOptions& options) {
  return find_database_kind(options.kind) != nullptr;
}

[[noreturn]] void fail(const std::string& text) { throw Error(Blame::user, text); }

/// Each kind has places that it goes to.
void check_place(const GenerateOptions& options) {
  const bool to_topic = !options.brokers.empty();
  const bool to_mysql = !options.mysql.empty();
  if (static_cast<int>(!options.out.empty()) + static_cast<int>(to_topic) +
          static_cast<int>(to_mysql) !=
      1) {
    fail(
        "say where to: --out DIRECTORY, --brokers HOST:PORT for messages, or --mysql HOST:PORT "
        "for tables");
  }
  if (is_database(options)) {
    if (to_topic) {
      fail(fmt::format("{} is made of tables, for --mysql or files", options.kind));
    }
  } else if (to_mysql) {
    std::vector<std::string> kinds;
    std::ranges::transform(database_kinds(), std::back_inserter(kinds),
                           [](const DatabaseKind& each) { return std::string(each.name); });
    fail(fmt::format("{} are no tables; {} are", options.kind, join(kinds, ", ")));
  } else if (kind_of(options) == nullptr && to_topic) {
    fail("transactions are written to files, and have no --late, --duplicates and --first");
  }
  if (!to_topic && !(options.connection.empty() && options.registry.empty())) {
    fail("--kafka-option and --registry are for topics: name the cluster by --brokers");
  }
  if (!to_mysql && !options.mysql_options.empty()) {
    fail("--mysql-option is for databases: name the server by --mysql");
  }
  if (options.rows == 0 && !options.out.empty()) {
    fail("--rows 0, without an end, is for topics and databases");
  }
}

void check(const GenerateOptions& options) {
  const auto* kind = kind_of(options);
  const bool is_avro = kind != nullptr && format_of(options, *kind) == formats::Kind::avro;
  const bool has_flaws_of_messages = options.messages.late > 0 || options.messages.duplicates > 0;
  check_place(options);
  if (kind == nullptr && (has_flaws_of_messages || (options.first > 0 && !is_database(options)))) {
    fail(is_database(options)
             ? "--late and --duplicates are for messages"
             : "transactions are written to files, and have no --late, --duplicates and --first");
  }
  if (!options.mysql.empty() && options.first > 0) {
    fail("--first is for files: tables of a database go on after their highest key");
  }
  if (!options.registry.empty() && !is_avro) {
    fail("--registry is for Avro: ask for --format avro");
  }
  if (options.messages.late + options.messages.duplicates + options.invalid > 1) {
    fail("--invalid, --late and --duplicates are shares of all, and may not be more than 1 in all");
  }
  if (!options.schema_out.empty() && (kind == nullptr || kind->avro.empty())) {
    fail(fmt::format("there is no Avro schema of {}", options.kind));
  }
}

/// A topic of which no number of rows is said is written until somebody stops it.
bool is_live(const GenerateOptions& options, const Asked& asked) {
  return !options.brokers.empty() && !asked.rows;
}

std::string_view default_start(const GenerateOptions& options, bool live) {
  if (live || (is_database(options) && options.rate)) {
    return "now";
  }
  return is_database(options) ? "yesterday" : "2026-01-01T00:00:00Z";
}

/// When rows happen: what is there at once lies before now, what comes at a rate comes now.
void set_times(GenerateOptions& options, const std::string& start) {
  MessageOptions& times = options.messages;
  times.start_ms = time_of(start);
  if (options.event_rate || options.rate) {
    times.per_second = options.event_rate.value_or(options.rate.value_or(0));
  } else if (const auto past_ms = now_ms() - times.start_ms; is_database(options) && past_ms > 0) {
    times.per_second = static_cast<double>(options.rows) * 1000 / static_cast<double>(past_ms);
  }
}

void generate(GenerateOptions options, const Asked& asked) {
  const bool live = is_live(options, asked);
  options.messages.invalid = options.invalid;
  options.rows = asked.rows.value_or(live ? 0 : options.rows);
  check(options);
  if (live) {
    options.rate = options.rate.value_or(kLiveRate);
  }
  set_times(options, asked.start.empty() ? std::string(default_start(options, live)) : asked.start);
  if (live && asked.start.empty()) {  // the first one that is sent happens now
    options.messages.start_ms -= static_cast<std::int64_t>(static_cast<double>(options.first) *
                                                           1000 / options.messages.per_second);
  }
  if (!options.schema_out.empty()) {
    write_file_atomically(options.schema_out, kind_of(options)->avro, /*sync=*/false);
  }
  const SignalStop signals;
  if (is_database(options)) {
    generate_tables(options, signals.token());
  } else if (options.out.empty()) {
    generate_topic(options, signals.token());
  } else {
    generate_files(options, signals.token());
  }
}

void add_flaw_options(CLI::App& command, GenerateOptions& options) {
  MessageOptions& messages = options.messages;
  command.add_option("--invalid", options.invalid, "The share that is malformed, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option("--late", messages.late, "The share that happened earlier than others near it")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option_function<std::int64_t>(
          "--late-by",
          [&messages](std::int64_t minutes) { messages.late_by = std::chrono::minutes(minutes); },
          "By how many minutes at least; twice as many at most; default: 10")
      ->check(CLI::Range(1, 1'000'000))
      ->option_text("MINUTES");
  command.add_option("--duplicates", messages.duplicates, "The share that is sent once more")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

void add_place_options(CLI::App& command, GenerateOptions& options) {
  command.add_option("--out", options.out, "The directory to write files into");
  command.add_option("--files", options.files, "How many files to cut them into")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  auto* append = command.add_flag("--append", options.append, "Add to the files that are there");
  command.add_flag("--force", options.force, "Replace the files that are there")->excludes(append);
  command.add_option("--brokers", options.brokers, "Brokers of the cluster to write to")
      ->delimiter(',')
      ->option_text("HOST:PORT,...");
  command
      .add_option("--kafka-option", options.connection,
                  "An option of the connection as in a pipeline file, such as "
                  "tls=true, tls_ca=ca.pem, 'sasl_password=${env:PASSWORD}' or "
                  "librdkafka.socket.timeout.ms=10000; may be given several times")
      ->allow_extra_args(false)
      ->option_text("NAME=VALUE");
  command
      .add_option("--registry", options.registry,
                  "A schema registry: the schema of Avro is registered as TOPIC-value, and each "
                  "message begins with its number, as Confluent has it")
      ->option_text("URL");
  command.add_option("--topic", options.topic,
                     "The topic; default: the one that the example reads");
  command
      .add_option("--partitions", options.partitions,
                  "Make the topic with so many partitions if it is not there")
      ->check(CLI::Range(1, 10'000));
  command.add_option("--mysql", options.mysql, "The server of MySQL or MariaDB to fill tables of")
      ->option_text("HOST:PORT");
  command
      .add_option("--mysql-option", options.mysql_options,
                  "An option of the connection as in a pipeline file, such as user=etl, "
                  "database=shop or 'password=${env:MYSQL_PASSWORD}'; may be given several times")
      ->allow_extra_args(false)
      ->option_text("NAME=VALUE");
}

/// Their names, and what there is to say of them.
std::string list_kinds(std::vector<std::string>& names) {
  std::string text = "Kinds:\n  transactions   Sales, as files alone, for examples/sql-first-etl\n";
  names.emplace_back("transactions");
  for (const auto& kind : message_kinds()) {
    names.emplace_back(kind.name);
    text += fmt::format("  {:<14} {}: {}\n", kind.name, kind.summary, kind.columns.text());
  }
  for (const auto& kind : database_kinds()) {
    names.emplace_back(kind.name);
    text +=
        fmt::format("  {:<14} {}: tables, as files or in a database\n", kind.name, kind.summary);
  }
  return text;
}

}  // namespace

Pace::Pace(const GenerateOptions& options)
    : total_(options.rows), rate_(options.rate), live_(isatty(STDERR_FILENO) != 0) {}

bool Pace::wait(std::int64_t row, const std::stop_token& stop) {
  if (!rate_) {
    return !stop.stop_requested();
  }
  const auto due = start_ + std::chrono::duration_cast<Steady::duration>(
                                std::chrono::duration<double>(static_cast<double>(row) / *rate_));
  if (due > Steady::now() + kEarly) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock guard(mutex);
    never.wait_until(guard, stop, due, [] { return false; });
  }
  return !stop.stop_requested();
}

void Pace::show(std::int64_t rows) {
  if (!live_ || Steady::now() < next_show_) {
    return;
  }
  next_show_ = Steady::now() + kShowEvery;
  fmt::print(stderr, "\r\x1b[2K{}{}", human_count(rows),
             total_ == 0 ? "" : " of " + human_count(total_));
}

void Pace::say_end(std::int64_t rows, const std::string& noun, const std::string& where) {
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - start_);
  fmt::print(stderr, "{}{} in {}, {} a second, {}\n", live_ ? "\r\x1b[2K" : "",
             human_count(rows, noun), human_duration(took),
             human_rate(static_cast<double>(rows) * 1e6 / static_cast<double>(took.count() + 1)),
             where);
}

void MessageCounts::add(const Message& message) {
  using Flaw = Message::Flaw;
  all++;
  malformed += message.flaw == Flaw::malformed ? 1 : 0;
  late += message.flaw == Flaw::late ? 1 : 0;
  duplicates += message.flaw == Flaw::duplicate ? 1 : 0;
}

std::string MessageCounts::text(std::int64_t first) const {
  return fmt::format(": {} malformed, {} late, {}; --first {} goes on", human_count(malformed),
                     human_count(late), human_count(duplicates, "duplicate"), first + all);
}

const MessageKind* kind_of(const GenerateOptions& options) {
  return find_message_kind(options.kind);
}

formats::Kind format_of(const GenerateOptions& options, const MessageKind& kind) {
  switch (options.format) {
    case GenerateFormat::automatic:
      return options.registry.empty() || kind.avro.empty() ? kind.format : formats::Kind::avro;
    case GenerateFormat::avro:
      return formats::Kind::avro;
    case GenerateFormat::json:
      return formats::Kind::json;
    case GenerateFormat::csv:
      break;
  }
  throw Error(Blame::user, fmt::format("{} are written as json or avro", kind.name));
}

void add_generate_command(CLI::App& app, Context&) {
  auto options = std::make_shared<GenerateOptions>();
  auto asked = std::make_shared<Asked>();
  auto* command = app.add_subcommand("generate", "Make sample data, the same at every run");
  std::vector<std::string> kinds;
  const std::string footer = list_kinds(kinds);
  command->add_option("KIND", options->kind, "What to make: " + join(kinds, ", "))
      ->required()
      ->check(CLI::IsMember(kinds));
  command
      ->add_option("--rows", asked->rows,
                   fmt::format("How many in all; 0, of a topic or a database: without an end; "
                               "default: {}, and of a topic 0, until Ctrl-C",
                               options->rows))
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40));
  command
      ->add_option("--rate", options->rate,
                   "How many are written in a second; files appear one after the other, as they "
                   "fill up; default: as many as can be, and of a topic without --rows 10")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--event-rate", options->event_rate,
                   "How many happened in a second, by what they say; default: --rate, or 10, and "
                   "of tables as many as fill the time from --start until now")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", options->messages.seed, "Another seed gives others")
      ->capture_default_str();
  command->add_option("--first", options->first, "The number of the first one, to go on with")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_option(
      "--start", asked->start,
      "When message 0, or the first row, happened: a time such as 2026-01-01T00:00:00Z, yesterday, "
      "or now; default: 2026-01-01T00:00:00Z, of a topic without --rows now, and of tables "
      "yesterday or, with --rate, now");
  add_flaw_options(*command, *options);
  using Format = GenerateFormat;
  const std::map<std::string, Format> formats{
      {"csv", Format::csv}, {"json", Format::json}, {"avro", Format::avro}};
  command
      ->add_option(
          "--format", options->format,
          "csv (transactions, tables), json (one object a message, or a line), or avro (the record "
          "alone; in files, containers); default: what the example reads; avro with --registry")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case))
      ->option_text("FORMAT");
  command->add_option("--schema-out", options->schema_out, "A file for the schema of Avro");
  add_place_options(*command, *options);
  command->footer(
      footer +
      "\nA pipeline can also make transactions itself: source `from: generator`.\n\n"
      "Examples:\n  millrace generate transactions --out input\n"
      "  millrace generate transactions --out input --rows 4000000 --files 20 --seed 7\n"
      "  millrace generate transactions --out input --append --rate 100   a directory that grows\n"
      "  millrace generate orders --brokers localhost:9092 --topic custords --partitions 3\n"
      "  millrace generate events --brokers localhost:9092   ten a second, until Ctrl-C\n"
      "  millrace generate order-records --brokers localhost:9092 --schema-out order.avsc\n"
      "  millrace generate order-records --brokers localhost:9092 --registry "
      "http://localhost:8081\n"
      "  millrace generate shop --out input --rows 20000\n"
      "  millrace generate shop --mysql localhost:3306 --mysql-option user=etl "
      "--mysql-option database=shop --rows 0 --rate 10");
  command->callback([options, asked] { generate(*options, *asked); });
}

}  // namespace millrace::cli
