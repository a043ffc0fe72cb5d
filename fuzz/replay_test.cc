// Gives each target the inputs of its corpus: what was once found stays mended.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {
namespace {

struct Named {
  const char* name;
  Target* run;
};
constexpr std::array kTargets = std::to_array<Named>({
    {"avro_container", avro_container},
    {"avro_decoder", avro_decoder},
    {"avro_framing", avro_framing},
    {"avro_schema", avro_schema},
    {"binlog", binlog},
    {"cassandra_frames", cassandra_frames},
    {"debezium", debezium},
    {"http_requests", http_requests},
    {"json_decoder", json_decoder},
    {"json_infer", json_infer},
    {"registry", registry},
    {"sql_type", sql_type},
});

class CorpusTest : public ::testing::TestWithParam<Named> {};

TEST_P(CorpusTest, HasNoFindings) {
  const auto [name, run] = GetParam();
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::string("fuzz/corpus/") + name)) {
    SCOPED_TRACE(file.path().string());
    const Exact input(read_file(file.path()));
    EXPECT_NO_THROW(run(input.view()));
    files++;
  }
  EXPECT_GT(files, 0);
}

INSTANTIATE_TEST_SUITE_P(Targets, CorpusTest, ::testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param.name); });

TEST(CorpusTest, EachFolderHasATarget) {
  for (const auto& folder : std::filesystem::directory_iterator("fuzz/corpus")) {
    EXPECT_NE(std::ranges::find(kTargets, folder.path().filename().string(), &Named::name),
              kTargets.end());
  }
}

}  // namespace
}  // namespace millrace::fuzz
