#include "formats/parquet/int96_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::parquet {
namespace {

Schema one_column(const std::string& type) { return {{{"c", type, physical_of(type)}}}; }

/// The file of one column, uncompressed.
template <class T>
std::string file_of(const std::string& type, const std::vector<T>& values) {
  std::string file;
  Int96File writer([&file](std::string_view bytes) { file += bytes; }, one_column(type),
                   {.codec = Codec::uncompressed});
  const ColumnView column{physical_of(type), values.data(), nullptr};
  writer.add({.rows = values.size(), .columns = {&column, 1}});
  EXPECT_EQ(writer.finish(), static_cast<std::int64_t>(values.size()));
  return file;
}

std::string int96(std::int64_t nanos, std::int32_t julian_day) {
  std::string bytes(12, '\0');
  std::memcpy(bytes.data(), &nanos, sizeof(nanos));
  std::memcpy(bytes.data() + sizeof(nanos), &julian_day, sizeof(julian_day));
  return bytes;
}

TEST(Int96File, TimesAreNanosecondsOfAJulianDay) {
  const auto file = file_of<std::int64_t>("TIMESTAMP", {0, -1, 86'400'000'001});
  EXPECT_NE(file.find(int96(0, 2'440'588) + int96(86'399'999'999'000, 2'440'587) +
                      int96(1'000, 2'440'589)),
            std::string::npos);
  EXPECT_NE(file_of<std::int64_t>("TIMESTAMP_S", {86'401}).find(int96(1'000'000'000, 2'440'589)),
            std::string::npos);
}

TEST(Int96File, BeginsAndEndsAsParquetDoes) {
  for (const auto& file : {file_of<std::int64_t>("TIMESTAMP", {}), file_of<double>("DOUBLE", {})}) {
    EXPECT_TRUE(file.starts_with("PAR1"));
    EXPECT_TRUE(file.ends_with("PAR1"));
    std::uint32_t footer = 0;
    std::memcpy(&footer, file.data() + file.size() - 8, sizeof(footer));
    EXPECT_EQ(file.size(), footer + 12);
  }
}

TEST(Int96File, RefusesWhatItDoesNotHold) {
  for (const auto* type : {"INTEGER[]", "INTERVAL", "STRUCT(a INTEGER)", "UUID"}) {
    EXPECT_THROW(Int96File([](std::string_view) {}, one_column(type), {}), Error) << type;
  }
  EXPECT_THROW(file_of<std::int64_t>("TIMESTAMP", {INT64_MAX}), Error);
  EXPECT_THROW(file_of<std::int64_t>("TIMESTAMP", {-INT64_MAX}), Error);
}

}  // namespace
}  // namespace millrace::parquet
