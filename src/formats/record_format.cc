#include "formats/record_format.h"

namespace millrace::formats {

DecoderFactory make_decoders(const DecodingOptions& options, const Schema& schema) {
  switch (options.kind) {
    case Kind::raw:
      break;
    case Kind::json:
      // Once now, for what it refuses.
      (void)json::Decoder(schema, options.json);
      return
          [schema, json = options.json] { return std::make_unique<json::Decoder>(schema, json); };
  }
  return {};
}

}  // namespace millrace::formats
