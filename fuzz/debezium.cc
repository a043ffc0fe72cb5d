#include "formats/json/debezium.h"

#include "fuzz/json_reference.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

/// A part is a text of its own, to be given to a decoder.
void expect_object(std::string_view part, std::string_view name) {
  const JsonReference reference(part);
  expect(part.empty() || reference.is_undecided() || reference.is_object(),
         std::string(name) + " is no object: " + std::string(part));
}

}  // namespace

void debezium(std::string_view input) {
  json::Envelope envelope;
  json::Change change;
  const auto wrong = envelope.open(input, change);
  if (wrong) {
    expect_text(wrong->column);
    expect_text(wrong->reason);
    return;
  }
  const JsonReference reference(input);
  expect(input.empty() || reference.is_undecided() || reference.is_valid(),
         "what is no JSON was taken");
  expect_object(change.before, "before");
  expect_object(change.after, "after");
  json::Change again;
  expect(!envelope.open(input, again) && again.kind == change.kind && again.ts_ms == change.ts_ms &&
             again.after == change.after,
         "another change at the second time");
}

}  // namespace millrace::fuzz
