#include "runtime/pipeline_folder.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files.h"
#include "base/test_folder.h"
#include "connectors/all.h"

namespace millrace {
namespace {

class FolderTest : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) const {
    make_folders(folder_of(folder_ + "/" + name), false);
    write_file_atomically(folder_ + "/" + name, text, false);
  }
  static std::string pipeline(const std::string& name, const std::string& sql = "SELECT * FROM r") {
    return "pipeline: " + name + "\nsources: { r: { from: rate } }\ndatasets: { d: " + sql +
           " }\nsinks: { out: { from: d, to: blackhole } }\n";
  }
  [[nodiscard]] FolderScan scan() const { return scan_folder(folder_, connectors_); }
  [[nodiscard]] std::uint64_t version() const { return scan().pipelines.at(0).version; }

  TempFolder temporary_;
  std::string folder_ = temporary_.path();
  ConnectorList connectors_ = all_connectors();
};

TEST_F(FolderTest, FindsYamlFilesThatArePipelines) {
  put("b.yml", pipeline("second"));
  put("a.yaml", pipeline("first"));
  put(".hidden.yaml", pipeline("hidden"));
  put("deeper/c.yaml", pipeline("deeper"));
  put("notes.md", "pipeline: none");
  put("connections.yaml", "connections: {}\n");
  const auto found = scan();
  ASSERT_EQ(found.pipelines.size(), 2U);
  EXPECT_EQ(found.pipelines[0].name, "first");
  EXPECT_EQ(found.pipelines[0].file, folder_ + "/a.yaml");
  EXPECT_TRUE(found.pipelines[0].spec.has_value());
  EXPECT_EQ(found.pipelines[1].name, "second");
  ASSERT_EQ(found.notes.size(), 1U);
  EXPECT_TRUE(found.notes[0].ends_with(
      "connections.yaml is left out: it has no `pipeline:` at its top, so it is none"));
}

TEST_F(FolderTest, AFileWithMistakesIsAPipelineWithThem) {
  put("a.yaml", "pipeline: orders\nsources: { r: { from: nowhere } }\n");
  put("b.yaml", "pipeline: [1\n");
  const auto found = scan();
  ASSERT_EQ(found.pipelines.size(), 2U);
  EXPECT_EQ(found.pipelines[0].name, "orders");
  EXPECT_FALSE(found.pipelines[0].spec.has_value());
  EXPECT_TRUE(found.pipelines[0].diagnostics.has_errors());
  EXPECT_EQ(found.pipelines[1].name, "");
  EXPECT_TRUE(found.pipelines[1].diagnostics.has_errors());
}

TEST_F(FolderTest, TheVersionIsOfAllThatMakesAPipeline) {
  put("a.yaml", pipeline("orders", "sql/d.sql"));
  put("sql/d.sql", "SELECT * FROM r");
  const auto first = version();
  EXPECT_EQ(version(), first);
  put("other.txt", "nothing");
  EXPECT_EQ(version(), first);
  put("sql/d.sql", "SELECT * FROM r WHERE true");
  const auto second = version();
  EXPECT_NE(second, first);
  put("a.yaml", pipeline("orders", "sql/d.sql") + "# a comment\n");
  EXPECT_NE(version(), second);
}

TEST_F(FolderTest, TheVersionIsOfTheEnvironmentAndOfSecrets) {
  put("a.yaml", pipeline("orders", "\"SELECT '${env:MILLRACE_FOLDER_TEST:-x}' FROM r\"") +
                    "# ${file:secret}\nconnections: { unused: { type: mysql, host: h, database: d, "
                    "user: u, password: '${file:secret}' } }\n");
  put("secret", "one");
  const auto first = version();
  put("secret", "two");
  const auto second = version();
  EXPECT_NE(second, first);
  ASSERT_EQ(::setenv("MILLRACE_FOLDER_TEST", "y", 1), 0);
  EXPECT_NE(version(), second);
  ASSERT_EQ(::unsetenv("MILLRACE_FOLDER_TEST"), 0);
  EXPECT_EQ(version(), second);
}

// Data are read by the pipeline, not by who looks whether it has changed.
TEST_F(FolderTest, TheVersionIsNotOfData) {
  put("a.yaml",
      "pipeline: p\nsources: { r: { from: { type: files, path: in.csv }, format: csv, schema: "
      "id INT } }\ndatasets: { d: SELECT * FROM r }\nsinks: { out: { from: d, to: blackhole } }\n");
  put("in.csv", "id\n1\n");
  const auto first = version();
  put("in.csv", "id\n2\n");
  EXPECT_EQ(version(), first);
}

// An empty folder stops all pipelines at a reload; one that is gone must not.
TEST_F(FolderTest, AFolderThatIsNotThereIsAMistake) {
  EXPECT_THROW((void)scan_folder(folder_ + "/nowhere", connectors_), Error);
  put("file", "");
  EXPECT_THROW((void)scan_folder(folder_ + "/file", connectors_), Error);
  EXPECT_TRUE(scan().pipelines.empty());
}

}  // namespace
}  // namespace millrace
