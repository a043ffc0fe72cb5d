#include "connectors/files/avro_output.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/files.h"
#include "formats/avro/columns.h"
#include "formats/avro/container.h"
#include "formats/avro/encoder.h"

namespace millrace {

namespace {

/// A sink's name as one that Avro takes.
std::string record_name(const std::string& sink) {
  std::string name = sink;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; }, '_');
  return std::isdigit(static_cast<unsigned char>(name.front())) != 0 ? "_" + name : name;
}

/// As good as random, and the same for the same text.
avro::SyncMarker marker_of(const std::string& text) {
  avro::SyncMarker marker{};
  const std::uint64_t halves[] = {avro::fingerprint(text), avro::fingerprint("and " + text)};
  static_assert(sizeof(halves) == sizeof(marker));
  std::memcpy(marker.data(), halves, sizeof(halves));
  return marker;
}

}  // namespace

class AvroOutput::File final : public sql::RowFile {
 public:
  File(const AvroOutput& output, const std::string& path, MalformedReceiver& refused)
      : output_(output), refused_(refused), file_(path) {
    options_.codec = output.codec_;
    options_.marker = marker_of(output.checkpoint_ + " " + path);
    file_.write(avro::container_header(output.schema_json_, options_));
  }
  [[nodiscard]] std::unique_ptr<SinkWriter> writer() override;
  std::int64_t finish() override {
    file_ = AppendFile();
    return rows_;
  }

 private:
  friend class Writer;

  /// Appends a block.
  void append(std::string_view block) {
    const std::lock_guard guard(lock_);
    file_.write(block);
  }

  const AvroOutput& output_;
  MalformedReceiver& refused_;
  avro::ContainerOptions options_;
  std::mutex lock_;
  AppendFile file_;
  std::atomic<std::int64_t> rows_ = 0;
};

class AvroOutput::Writer final : public SinkWriter {
 public:
  explicit Writer(File& file)
      : file_(file),
        encoder_(*file.output_.schema_, file.output_.refusing_.schema),
        refused_(file.output_.refusing_, file.refused_),
        blocks_([&file](std::string_view block) { file.append(block); }, file.options_) {}

  void write(const Chunk& chunk) override {
    for (std::size_t row = 0; row < chunk.rows; ++row) {
      record_.clear();
      if (const auto why = encoder_.encode(chunk, row, record_)) {
        refused_.add(chunk, row, *why);
      } else {
        blocks_.add(record_);
        ++rows_;
      }
    }
  }
  void finish() override {
    blocks_.finish();
    file_.rows_ += std::exchange(rows_, 0);
  }

 private:
  File& file_;
  avro::Encoder encoder_;
  formats::RefusedRows refused_;
  avro::BlockWriter blocks_;
  std::string record_;
  std::int64_t rows_ = 0;
};

std::unique_ptr<SinkWriter> AvroOutput::File::writer() { return std::make_unique<Writer>(*this); }

AvroOutput::AvroOutput(const std::string& sink, const std::string& path,
                       const FilesSinkOptions& options, Schema columns, std::string checkpoint)
    : codec_(avro::codec_named(options.compression).value_or(avro::Codec::deflate)),
      refusing_{.name = sink,
                .origin = path,
                .schema = std::move(columns),
                .on_refused = options.on_refused},
      checkpoint_(std::move(checkpoint)) {
  if (options.schema_file.empty()) {
    const auto name = options.record_name.empty() ? record_name(sink) : options.record_name;
    schema_ = std::make_shared<const avro::AvroSchema>(avro::record_schema(refusing_.schema, name));
    schema_json_ = avro::to_json(*schema_).dump();
  } else {
    schema_json_ = read_file(options.schema_file);
    schema_ = std::make_shared<const avro::AvroSchema>(avro::parse_schema(schema_json_));
  }
  (void)avro::Encoder(*schema_, refusing_.schema);  // for what it refuses
}

sql::MakeRowFile AvroOutput::files(MalformedReceiver& refused) const {
  return [this, &refused](const std::string& path) {
    return std::make_unique<File>(*this, path, refused);
  };
}

}  // namespace millrace
