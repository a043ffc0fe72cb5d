#include "formats/json/infer.h"

#include <vector>

#include "formats/json/decoder.h"
#include "fuzz/json_reference.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

// Whatever the inference took can be read with the schema that it gives.
void json_infer(std::string_view input) {
  json::Inference inference;
  std::vector<std::string_view> taken;
  while (!input.empty()) {
    const std::string_view line = take_until('\n', input);
    const Exact record(line);
    const auto wrong = inference.add(record.view());
    const JsonReference reference(line);
    if (wrong) {
      expect_text(wrong->reason);
    } else {
      taken.push_back(line);
    }
    expect(reference.is_undecided() || reference.is_object() == !wrong,
           "another parser does not agree about " + std::string(line) + "\n" +
               (wrong ? wrong->reason : "which was taken"));
  }
  const Schema schema = inference.schema();
  json::Decoder decoder(schema, {});
  testing::MemoryColumns columns(schema, 1);
  decoder.begin(columns.writers());
  for (const std::string_view record : taken) {
    const auto wrong = decoder.decode(record, 0);
    expect(!wrong, "what was looked at can't be read: " + std::string(record));
  }
}

}  // namespace millrace::fuzz
