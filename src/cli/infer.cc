// millrace infer: a schema for records that nobody has described.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include "cli/command.h"
#include "formats/avro/container.h"
#include "formats/avro/file_rows.h"
#include "formats/json/infer.h"
#include "sql/database.h"

namespace millrace::cli {
namespace {

struct InferOptions {
  std::vector<std::string> files;
  std::int64_t records = 100'000;
};

struct Seen {
  std::int64_t records = 0;
  std::int64_t malformed = 0;
  std::string first;  // "a.json:3: reason"
};

void look_at(std::istream& in, const std::string& name, const InferOptions& options,
             json::Inference& inference, Seen& seen) {
  std::string line;
  for (std::int64_t number = 1; seen.records < options.records && std::getline(in, line);
       ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      continue;
    }
    seen.records++;
    const auto why = inference.add(line);
    if (why && seen.malformed++ == 0) {
      seen.first = fmt::format("{}:{}: {}", name, number, why->reason);
    }
  }
}

/// Avro's container files say themselves what they hold: the columns of such a file; none: it is of
/// another format.
Schema columns_of_avro(std::istream& in) {
  constexpr std::string_view kMagic{"Obj\x01"};
  std::string magic(kMagic.size(), '\0');
  in.read(magic.data(), static_cast<std::streamsize>(magic.size()));
  const bool is_avro = in.gcount() == static_cast<std::streamsize>(magic.size()) && magic == kMagic;
  in.clear();
  in.seekg(0);
  if (!is_avro) {
    return {};
  }
  const avro::ContainerReader file([&in](char* to, std::size_t bytes) {
    in.read(to, static_cast<std::streamsize>(bytes));
    return static_cast<std::size_t>(in.gcount());
  });
  return avro::FileRows(file.schema()).columns();
}

/// The columns as `schema:` takes them: words of SQL need quotes as names.
std::string text_of(const Schema& schema, sql::Database& database) {
  std::string text;
  for (const Column& column : schema.columns) {
    Schema one{{column}};
    std::string words = one.text();
    try {
      (void)database.parse_schema(words);
    } catch (const Error&) {
      words = fmt::format("\"{}\" {}", column.name, column.type);
    }
    text += (text.empty() ? "" : ",\n  ") + words;
  }
  return text;
}

void infer(const InferOptions& options, Context& context) {
  json::Inference inference;
  Seen seen;
  Schema schema;
  for (const auto& file : options.files) {
    if (file == "-") {
      look_at(std::cin, "standard input", options, inference, seen);
      continue;
    }
    std::ifstream in(file);
    if (!in) {
      throw Error(Blame::user, fmt::format("cannot read `{}`", file));
    }
    schema = columns_of_avro(in);
    if (!schema.empty() && options.files.size() > 1) {
      throw Error(Blame::user, fmt::format("`{}` is an Avro file, whose schema says all: give one "
                                           "such file, and no others",
                                           file));
    }
    if (schema.empty()) {
      look_at(in, file, options, inference, seen);
    }
  }
  if (schema.empty()) {
    schema = inference.schema();
  }
  if (seen.malformed > 0) {
    fmt::print(stderr, "{} of {} records are no JSON objects and were left out; the first: {}\n",
               seen.malformed, seen.records, seen.first);
  }
  if (schema.empty()) {
    fmt::print(stderr, "error: there is no record to learn from\n");
    context.exit_code = kMistake;
    return;
  }
  sql::Database database({.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""});
  fmt::print("schema: >-\n  {}\n", text_of(schema, database));
}

}  // namespace

void add_infer_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<InferOptions>();
  auto* command = app.add_subcommand(
      "infer",
      "Guess the schema of JSON records, to be corrected and pinned, or read that of "
      "an Avro file");
  command
      ->add_option("FILE", options->files, "JSON lines, or an Avro file; - is standard input, JSON")
      ->required();
  command->add_option("--records", options->records, "Look at so many records at most")
      ->capture_default_str();
  command->footer(
      "Prints `schema:` as a source takes it: the narrowest types that take all records. What was\n"
      "always null is VARCHAR, and so is what was of several kinds.\n\n"
      "Examples:\n  millrace infer orders.json\n  millrace infer orders.avro\n"
      "  kcat -C -b localhost:9092 -t orders -o -1000 -e | millrace infer -");
  command->callback([options, &context] { infer(*options, context); });
}

}  // namespace millrace::cli
