#include <array>
#include <string>

#include "connectors/kafka/registry_answers.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

using kafka::parse_answer;
using kafka::RegistryAnswer;

namespace {

/// Reads an answer as each request would.
void read(const RegistryAnswer& answer, const kafka::AskRegistry& ask) {
  expect_text(answer.text());
  (void)kafka::is_missing(answer);
  const auto is_good = unless_refused([&] {
    kafka::expect_good(answer);
    return true;
  });
  if (!is_good) {
    return;
  }
  for (const char* name : {"id", "version"}) {
    const auto number = unless_refused([&] { return kafka::number_in(answer, name); });
    expect(!number || (*number >= 0 && *number <= kafka::kIdMax), "a number out of range");
  }
  (void)unless_refused([&] { return kafka::flag_in(answer, "is_compatible"); });
  const auto lookup = unless_refused([&] { return kafka::schema_in(answer, "schema 1", ask); });
  if (lookup) {
    expect_text(lookup->reason);
    expect((lookup->schema == nullptr) == !lookup->reason.empty(), "neither schema nor reason");
  }
}

}  // namespace

void registry(std::string_view input) {
  constexpr std::array kStatuses{200L, 404L, 201L, 301L, 409L, 422L, 500L, 0L};
  constexpr std::string_view kUrl = "http://registry:8081/subjects";
  const long status = kStatuses[take_byte(input) % kStatuses.size()];
  const Exact body(take_until('\0', input));
  std::string_view rest = input;
  read(parse_answer(status, body.view(), std::string(kUrl)), [&](const std::string& path) {
    expect_text(path);
    rest = rest.empty() ? input : rest;
    const Exact next(take_until('\0', rest));
    return parse_answer(200, next.view(), std::string(kUrl) + path);
  });
}

}  // namespace millrace::fuzz
