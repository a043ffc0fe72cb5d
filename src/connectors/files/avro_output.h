// Rows as files of Avro's container format.
#pragma once

#include <string>

#include "connectors/files/options.h"
#include "core/malformed.h"
#include "core/schema.h"
#include "formats/avro/codec.h"
#include "formats/avro/plans.h"
#include "formats/refused_rows.h"
#include "sql/file_writer.h"

namespace millrace {

/// How a sink writes its files. Fixed once it is made; used by several threads.
class AvroOutput {
 public:
  /// `columns`: those that go into the files; `checkpoint`: its id. Throws Error (user) for columns
  /// that the schema has no place for, and fields that no column fills.
  AvroOutput(const std::string& sink, const std::string& path, const FilesSinkOptions& options,
             Schema columns, std::string checkpoint);

  /// Makes the files of a batch, whose rows that can't be written go to `refused`. A file that is
  /// made again under its path has the same sync marker. Both outlive the files.
  [[nodiscard]] sql::MakeRowFile files(MalformedReceiver& refused) const;

 private:
  class File;
  class Writer;

  avro::SharedSchema schema_;
  std::string schema_json_;
  avro::Codec codec_ = avro::Codec::deflate;
  formats::RefusedRows::Sink refusing_;
  std::string checkpoint_;
};

}  // namespace millrace
