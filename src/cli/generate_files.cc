// millrace generate: rows into files, all at once or as a directory that grows.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/files.h"
#include "base/strings.h"
#include "cli/generate.h"
#include "connectors/generator/transactions.h"
#include "formats/avro/container.h"

namespace millrace::cli {

namespace {

constexpr std::size_t kWriteBytes = 1U << 20U;
constexpr std::array<std::string_view, 3> kExtensions{"csv", "json", "avro"};

/// What is written into files.
class Rows {
 public:
  virtual ~Rows() = default;
  [[nodiscard]] virtual std::string_view extension() const = 0;
  /// The number of the row to begin with, in a directory where `next_file` files are.
  virtual std::int64_t begin(std::int64_t next_file) = 0;
  virtual void write(std::int64_t from, std::int64_t to, AppendFile& file) = 0;
  [[nodiscard]] virtual std::string noun() const = 0;
  /// What there is to say of them in the end.
  [[nodiscard]] virtual std::string text() const { return ""; }
};

class TransactionRows final : public Rows {
 public:
  explicit TransactionRows(const GenerateOptions& options)
      : options_(options), stream_{options.messages.seed, options.invalid} {
    if (options.format == GenerateFormat::avro) {
      throw Error(Blame::user, "transactions are written as csv or json");
    }
  }

  [[nodiscard]] std::string_view extension() const override { return is_csv() ? "csv" : "json"; }
  [[nodiscard]] std::string noun() const override { return "row"; }

  /// The one after the last file's last, so that ids stay unique.
  std::int64_t begin(std::int64_t next_file) override {
    constexpr std::string_view kId = "TXN";
    constexpr std::size_t kDigits = 10;
    for (const auto* each : {"csv", "json"}) {
      const auto path = options_.out + "/" + file_name("transactions", next_file - 1, each);
      if (next_file == 0 || !exists(path)) {
        continue;
      }
      const auto text = read_file(path);
      const auto at = text.rfind(kId);
      if (at == std::string::npos) {
        continue;
      }
      const auto last = parse_integer(std::string_view(text).substr(at + kId.size(), kDigits));
      // Flawed rows behind it may have no id, but each has a line.
      const auto lines =
          std::count(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), '\n');
      return last.value_or(0) + lines;
    }
    return 0;
  }

  void write(std::int64_t from, std::int64_t to, AppendFile& file) override {
    std::string text;
    if (is_csv()) {
      std::vector<std::string> names;
      names.reserve(transaction_schema().size());
      for (const auto& column : transaction_schema().columns) {
        names.push_back(column.name);
      }
      text = join(names, ",") + "\n";
    }
    Transaction row;
    for (auto i = from; i < to; i++) {
      stream_.make(static_cast<std::uint64_t>(i), row);
      if (is_csv()) {
        append_csv(row, text);
      } else {
        append_json(row, text);
      }
      if (text.size() >= kWriteBytes) {
        file.write(text);
        text.clear();
      }
    }
    file.write(text);
  }

 private:
  [[nodiscard]] bool is_csv() const {
    return options_.format == GenerateFormat::automatic || options_.format == GenerateFormat::csv;
  }

  const GenerateOptions& options_;
  TransactionStream stream_;
};

/// JSON lines, or Avro in containers.
class MessageRows final : public Rows {
 public:
  MessageRows(const GenerateOptions& options, const MessageKind& kind)
      : options_(options),
        kind_(kind),
        format_(format_of(options, kind)),
        stream_(kind, format_, options.messages) {
    if (format_ == formats::Kind::avro && options.invalid > 0) {
      throw Error(Blame::user,
                  "a file of Avro has no place for malformed records; write --invalid 0");
    }
  }

  [[nodiscard]] std::string_view extension() const override {
    return format_ == formats::Kind::avro ? "avro" : "json";
  }
  [[nodiscard]] std::string noun() const override { return "message"; }
  std::int64_t begin(std::int64_t /*next_file*/) override { return options_.first; }

  void write(std::int64_t from, std::int64_t to, AppendFile& file) override {
    if (format_ == formats::Kind::avro) {
      write_container(from, to, file);
      return;
    }
    std::string text;
    Message message;
    for (auto i = from; i < to; i++) {
      make(i, message);
      text += message.value;
      text += '\n';
      if (text.size() >= kWriteBytes) {
        file.write(text);
        text.clear();
      }
    }
    file.write(text);
  }
  [[nodiscard]] std::string text() const override { return counts_.text(options_.first); }

 private:
  void make(std::int64_t number, Message& message) {
    stream_.make(static_cast<std::uint64_t>(number), message);
    counts_.add(message);
  }
  void write_container(std::int64_t from, std::int64_t to, AppendFile& file) {
    avro::ContainerOptions container;
    RowRandom random(options_.messages.seed, static_cast<std::uint64_t>(from));
    std::ranges::generate(container.marker, [&] {
      return static_cast<typename avro::SyncMarker::value_type>(random.next() & 0xFFU);
    });
    avro::ContainerWriter writer([&file](std::string_view bytes) { file.write(bytes); }, kind_.avro,
                                 container);
    Message message;
    for (auto i = from; i < to; i++) {
      make(i, message);
      writer.add(message.value);
    }
    writer.finish();
  }

  const GenerateOptions& options_;
  const MessageKind& kind_;
  formats::Kind format_;
  MessageStream stream_;
  MessageCounts counts_;
};

std::unique_ptr<Rows> rows_of(const GenerateOptions& options) {
  if (const auto* kind = kind_of(options)) {
    return std::make_unique<MessageRows>(options, *kind);
  }
  return std::make_unique<TransactionRows>(options);
}

}  // namespace

std::string file_name(std::string_view name, std::int64_t number, std::string_view extension) {
  return fmt::format("{}-{:06}.{}", name, number, extension);
}

std::int64_t first_file(const std::string& folder, std::string_view name,
                        const GenerateOptions& options) {
  const auto prefix = std::string(name) + "-";
  std::int64_t next = 0;
  for (const auto& file : list_folder(folder)) {
    const auto dot = file.find('.');
    if (!file.starts_with(prefix) || dot == std::string::npos) {
      continue;
    }
    if (const auto number = parse_integer(file.substr(prefix.size(), dot - prefix.size()))) {
      next = std::max(next, *number + 1);
    }
  }
  if (next == 0 || options.append) {
    return next;
  }
  if (options.force) {
    for (std::int64_t i = 0; i < next; i++) {
      for (const auto extension : kExtensions) {
        remove_file(folder + "/" + file_name(name, i, extension));
      }
    }
    return 0;
  }
  throw Error(Blame::user, fmt::format("`{}` has generated files already; --append adds more, "
                                       "--force replaces them",
                                       folder));
}

void write_hidden_first(const std::string& path, const std::function<void(AppendFile&)>& write) {
  const auto slash = path.rfind('/');
  const auto hidden = path.substr(0, slash + 1) + "." + path.substr(slash + 1) + ".tmp";
  remove_file(hidden);
  AppendFile file(hidden);
  write(file);
  rename_file(hidden, path);
}

void generate_files(const GenerateOptions& options, const std::stop_token& stop) {
  const auto rows = rows_of(options);
  make_folders(options.out, false);
  const auto first = first_file(options.out, options.kind, options);
  const auto base = rows->begin(first);
  std::int64_t written = 0;
  std::int64_t files = 0;
  Pace pace(options);
  for (; files < options.files; files++) {
    const auto end = options.rows * (files + 1) / options.files;
    if (!pace.wait(end, stop)) {
      break;
    }
    write_hidden_first(
        options.out + "/" + file_name(options.kind, first + files, rows->extension()),
        [&](AppendFile& file) { rows->write(base + written, base + end, file); });
    written = end;
    pace.show(written);
  }
  pace.say_end(written, rows->noun(),
               fmt::format("in {}: {}/{}", human_count(files, "file"), options.out, rows->text()));
}

}  // namespace millrace::cli
