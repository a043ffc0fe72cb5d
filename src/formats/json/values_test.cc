#include "formats/json/values.h"

#include <gtest/gtest.h>

#include <string>

#include "formats/json/test_rows.h"

namespace millrace::json {
namespace {

TEST(JsonValueTest, Booleans) {
  EXPECT_EQ(value_as("BOOLEAN", "true"), "true");
  EXPECT_EQ(value_as("BOOLEAN", "false"), "false");
  EXPECT_EQ(value_as("BOOLEAN", "null"), "null");
  EXPECT_EQ(value_as("BOOLEAN", R"("true")"), "true");
  EXPECT_EQ(value_as("BOOLEAN", "1"), "malformed: v: `1` is no BOOLEAN");
  EXPECT_EQ(value_as("BOOLEAN", R"("TRUE")"), "malformed: v: `\"TRUE\"` is no BOOLEAN");
}

TEST(JsonValueTest, IntegersToTheirLimits) {
  EXPECT_EQ(value_as("TINYINT", "-128"), "-128");
  EXPECT_EQ(value_as("TINYINT", "128"), "malformed: v: `128` is out of range for TINYINT");
  EXPECT_EQ(value_as("SMALLINT", "32767"), "32767");
  EXPECT_EQ(value_as("SMALLINT", "-32769"), "malformed: v: `-32769` is out of range for SMALLINT");
  EXPECT_EQ(value_as("INTEGER", "-2147483648"), "-2147483648");
  EXPECT_EQ(value_as("INTEGER", "2147483648"),
            "malformed: v: `2147483648` is out of range for INTEGER");
  EXPECT_EQ(value_as("BIGINT", "9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(value_as("BIGINT", "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(value_as("BIGINT", "9223372036854775808"),
            "malformed: v: `9223372036854775808` is out of range for BIGINT");
  EXPECT_EQ(value_as("UTINYINT", "255"), "255");
  EXPECT_EQ(value_as("USMALLINT", "65535"), "65535");
  EXPECT_EQ(value_as("UINTEGER", "4294967295"), "4294967295");
  EXPECT_EQ(value_as("UBIGINT", "18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(value_as("UBIGINT", "-1"), "malformed: v: `-1` is out of range for UBIGINT");
  EXPECT_EQ(value_as("UBIGINT", "18446744073709551616"),
            "malformed: v: `18446744073709551616` is out of range for UBIGINT");
}

TEST(JsonValueTest, HugeintToItsLimits) {
  EXPECT_EQ(value_as("HUGEINT", "170141183460469231731687303715884105727"),
            R"("170141183460469231731687303715884105727")");
  EXPECT_EQ(value_as("HUGEINT", "-170141183460469231731687303715884105728"),
            R"("-170141183460469231731687303715884105728")");
  EXPECT_EQ(value_as("HUGEINT", "170141183460469231731687303715884105728"),
            "malformed: v: `170141183460469231731687303715884105728` is out of range for HUGEINT");
  EXPECT_EQ(value_as("HUGEINT", "1e38"), R"("100000000000000000000000000000000000000")");
  EXPECT_EQ(value_as("HUGEINT", "1e39"), "malformed: v: `1e39` is out of range for HUGEINT");
}

TEST(JsonValueTest, IntegersWrittenInOtherWays) {
  EXPECT_EQ(value_as("INTEGER", "1.0"), "1");
  EXPECT_EQ(value_as("INTEGER", "1e3"), "1000");
  EXPECT_EQ(value_as("INTEGER", "12.50e1"), "125");
  EXPECT_EQ(value_as("INTEGER", "-0"), "0");
  EXPECT_EQ(value_as("INTEGER", "0e999999999999999999999"), "0");
  EXPECT_EQ(value_as("INTEGER", "100000000000000000000e-20"), "1");
  EXPECT_EQ(value_as("INTEGER", "1.5"),
            "malformed: v: `1.5` has more digits behind the point than INTEGER");
  EXPECT_EQ(value_as("INTEGER", "1e-1"),
            "malformed: v: `1e-1` has more digits behind the point than INTEGER");
  EXPECT_EQ(value_as("INTEGER", "1e400000000000000000"),
            "malformed: v: `1e400000000000000000` is out of range for INTEGER");
  EXPECT_EQ(value_as("INTEGER", "1e-400000000000000000"),
            "malformed: v: `1e-400000000000000000` has more digits behind the point than INTEGER");
  EXPECT_EQ(value_as("INTEGER", R"("12")"), "12");
  EXPECT_EQ(value_as("INTEGER", R"("1\u0032")"), "12");
  EXPECT_EQ(value_as("INTEGER", R"(" 12")"), "malformed: v: `\" 12\"` is no INTEGER");
  EXPECT_EQ(value_as("INTEGER", R"("")"), "malformed: v: `\"\"` is no INTEGER");
  EXPECT_EQ(value_as("INTEGER", R"("12")", {.numbers_in_strings = false}),
            "malformed: v: `\"12\"` is no INTEGER");
  EXPECT_EQ(value_as("INTEGER", "true"), "malformed: v: `true` is no INTEGER");
  EXPECT_EQ(value_as("INTEGER", R"({"a":[1, 2]})"), "malformed: v: `{\"a\":[1, 2]}` is no INTEGER");
}

TEST(JsonValueTest, FloatsAreTheNearest) {
  EXPECT_EQ(value_as("DOUBLE", "0.1"), "0.1");
  EXPECT_EQ(value_as("DOUBLE", "-12.5E-1"), "-1.25");
  EXPECT_EQ(value_as("DOUBLE", "9007199254740993"), "9.007199254740992e+15");
  EXPECT_EQ(value_as("DOUBLE", "2.2250738585072011e-308"), "2.225073858507201e-308");
  EXPECT_EQ(value_as("DOUBLE", "1.7976931348623157e308"), "1.7976931348623157e+308");
  EXPECT_EQ(value_as("DOUBLE", "123456789012345678901234567890"), "1.2345678901234568e+29");
  EXPECT_EQ(value_as("DOUBLE", "1e-400"), "0.0");
  EXPECT_EQ(value_as("DOUBLE", "-1e-400"), "-0.0");
  EXPECT_EQ(value_as("DOUBLE", "0e400"), "0.0");
  EXPECT_EQ(value_as("DOUBLE", "1e309"), "malformed: v: `1e309` is out of range for DOUBLE");
  EXPECT_EQ(value_as("DOUBLE", "-1e99999999999"),
            "malformed: v: `-1e99999999999` is out of range for DOUBLE");
  EXPECT_EQ(value_as("FLOAT", "16777217"), "16777216.0");
  EXPECT_EQ(value_as("FLOAT", "0.25"), "0.25");
  EXPECT_EQ(value_as("FLOAT", "1e39"), "malformed: v: `1e39` is out of range for FLOAT");
  EXPECT_EQ(value_as("FLOAT", "1e-60"), "0.0");
  EXPECT_EQ(value_as("DOUBLE", R"("1.5")"), "1.5");
  EXPECT_EQ(value_as("DOUBLE", R"("NaN")"), "malformed: v: `\"NaN\"` is no DOUBLE");
  EXPECT_EQ(value_as("DOUBLE", R"("Infinity")"), "malformed: v: `\"Infinity\"` is no DOUBLE");
  EXPECT_EQ(value_as("DOUBLE", "NaN"), "malformed: : unexpected `NaN` at byte 5");
}

TEST(JsonValueTest, DecimalsAreExact) {
  EXPECT_EQ(value_as("DECIMAL(10,2)", "19.99"), R"("19.99")");
  EXPECT_EQ(value_as("DECIMAL(10,2)", R"("-0.05")"), R"("-0.05")");
  EXPECT_EQ(value_as("DECIMAL(10,2)", "1e3"), R"("1000.00")");
  EXPECT_EQ(value_as("DECIMAL(4,1)", "999.9"), R"("999.9")");
  EXPECT_EQ(value_as("DECIMAL(4,1)", "1000"),
            "malformed: v: `1000` is out of range for DECIMAL(4,1)");
  EXPECT_EQ(value_as("DECIMAL(9,0)", "-999999999"), R"("-999999999")");
  EXPECT_EQ(value_as("DECIMAL(18,9)", "123456789.123456789"), R"("123456789.123456789")");
  EXPECT_EQ(value_as("DECIMAL(38,10)", "1234567890123456789012345678.0123456789"),
            R"("1234567890123456789012345678.0123456789")");
  EXPECT_EQ(value_as("DECIMAL(38,0)", "99999999999999999999999999999999999999"),
            R"("99999999999999999999999999999999999999")");
  EXPECT_EQ(value_as("DECIMAL(38,0)", "100000000000000000000000000000000000000"),
            "malformed: v: `100000000000000000000000000000000000000` is out of range for "
            "DECIMAL(38,0)");
}

TEST(JsonValueTest, DecimalsAreRoundedAsACastDoesUnlessStrict) {
  EXPECT_EQ(value_as("DECIMAL(10,2)", "1.005"), R"("1.01")");
  EXPECT_EQ(value_as("DECIMAL(10,2)", "-1.005"), R"("-1.01")");
  EXPECT_EQ(value_as("DECIMAL(10,2)", "1.00499999999999999999999999999999999999999999999"),
            R"("1.00")");
  EXPECT_EQ(value_as("DECIMAL(10,2)", "1e-50"), R"("0.00")");
  EXPECT_EQ(value_as("DECIMAL(4,1)", "999.95"),
            "malformed: v: `999.95` is out of range for DECIMAL(4,1)");
  // 38 digits before the point: what is behind it was never in the 128 bits.
  EXPECT_EQ(value_as("DECIMAL(38,0)", "50000000000000000000000000000000000000.67"),
            R"("50000000000000000000000000000000000001")");
  EXPECT_EQ(value_as("DECIMAL(10,2)", "1.005", {.strict = true}),
            "malformed: v: `1.005` has more digits behind the point than DECIMAL(10,2)");
  EXPECT_EQ(value_as("DECIMAL(10,2)", "1.500", {.strict = true}), R"("1.50")");
}

TEST(JsonValueTest, TextTakesEverything) {
  EXPECT_EQ(value_as("VARCHAR", R"("a\u00e9\"\\\/\b\f\n\r\t\ud834\udd1e")"),
            "\"aé\\\"\\\\/\\b\\f\\n\\r\\t𝄞\"");
  EXPECT_EQ(value_as("VARCHAR", R"("\u0000x")"), R"("\u0000x")");
  EXPECT_EQ(value_as("VARCHAR", R"("longer than twelve bytes")"), R"("longer than twelve bytes")");
  EXPECT_EQ(value_as("VARCHAR", "1.50"), R"("1.50")");
  EXPECT_EQ(value_as("VARCHAR", "true"), R"("true")");
  EXPECT_EQ(value_as("VARCHAR", R"( { "a" : [ 1, "\n" ] } )"), R"("{ \"a\" : [ 1, \"\\n\" ] }")");
  EXPECT_EQ(value_as("VARCHAR", "[]"), R"("[]")");
  EXPECT_EQ(value_as("VARCHAR", "null"), "null");
  EXPECT_EQ(value_as("VARCHAR", R"("null")"), R"("null")");
  EXPECT_EQ(value_as("VARCHAR", "1.50", {.strict = true}), "malformed: v: `1.50` is no VARCHAR");
  EXPECT_EQ(value_as("VARCHAR", "{}", {.strict = true}), "malformed: v: `{}` is no VARCHAR");
}

TEST(JsonValueTest, BlobsAreBase64) {
  EXPECT_EQ(value_as("BLOB", R"("")"), R"("")");
  EXPECT_EQ(value_as("BLOB", R"("AP8Q")"), R"("00ff10")");
  EXPECT_EQ(value_as("BLOB", R"("AP8=")"), R"("00ff")");
  EXPECT_EQ(value_as("BLOB", R"("AP8")"), R"("00ff")");
  EXPECT_EQ(value_as("BLOB", R"("AA==")"), R"("00")");
  EXPECT_EQ(value_as("BLOB", R"("\/\/8=")"), R"("ffff")");
  for (const auto* text : {R"("A")", R"("AB==")", R"("A=A=")", R"("AA=")", R"("-_==")", R"("A A=")",
                           R"("====")", R"("AAAA=")"}) {
    EXPECT_TRUE(value_as("BLOB", text).starts_with("malformed: v: ")) << text;
  }
  EXPECT_EQ(value_as("BLOB", "12"), "malformed: v: `12` is no BLOB in base64");
}

TEST(JsonValueTest, Uuids) {
  EXPECT_EQ(value_as("UUID", R"("0f8fad5b-D9CB-469f-a165-70867728950e")"),
            R"("0f8fad5b-d9cb-469f-a165-70867728950e")");
  EXPECT_EQ(value_as("UUID", R"("ff8fad5bd9cb469fa16570867728950e")"),
            R"("ff8fad5b-d9cb-469f-a165-70867728950e")");
  for (const auto* text :
       {R"("")", R"("0f8fad5b-d9cb-469f-a165-70867728950")",
        R"("0f8fad5b-d9cb-469f-a165-70867728950g")", R"("0f8fad5bd-9cb-469f-a165-70867728950e")"}) {
    EXPECT_TRUE(value_as("UUID", text).starts_with("malformed: v: ")) << text;
  }
}

TEST(JsonValueTest, Dates) {
  EXPECT_EQ(value_as("DATE", R"("1970-01-01")"), "0");
  EXPECT_EQ(value_as("DATE", R"("2024-02-29")"), "19782");
  EXPECT_EQ(value_as("DATE", R"("0001-01-01")"), "-719162");
  EXPECT_EQ(value_as("DATE", "19782"), "19782");
  EXPECT_EQ(value_as("DATE", "-1"), "-1");
  EXPECT_EQ(value_as("DATE", "2147483647"), "malformed: v: `2147483647` is out of range for DATE");
  EXPECT_EQ(value_as("DATE", "-2147483647"),
            "malformed: v: `-2147483647` is out of range for DATE");
  for (const auto* text :
       {R"("2023-02-29")", R"("2024-13-01")", R"("2024-00-10")", R"("2024-1-01")",
        R"("2024-01-01T00:00:00")", R"("20240101")", R"("2024-01-0x")"}) {
    EXPECT_TRUE(value_as("DATE", text).starts_with("malformed: v: ")) << text;
  }
}

TEST(JsonValueTest, Times) {
  EXPECT_EQ(value_as("TIME", R"("00:00")"), "0");
  EXPECT_EQ(value_as("TIME", R"("23:59:59.9999999")"), "86399999999");
  EXPECT_EQ(value_as("TIME", "1500"), "1500000");
  EXPECT_EQ(value_as("TIME", "1500", {.timestamp_unit = TimestampUnit::microseconds}), "1500");
  EXPECT_EQ(value_as("TIME", "86400000"), "malformed: v: `86400000` is out of range for TIME");
  EXPECT_EQ(value_as("TIME", "-1"), "malformed: v: `-1` is out of range for TIME");
  for (const auto* text : {R"("24:00:00")", R"("12:60")", R"("12:00:60")", R"("1:00")",
                           R"("12:00:00.")", R"("12:00:00.1234567890")", R"("12:00Z")"}) {
    EXPECT_TRUE(value_as("TIME", text).starts_with("malformed: v: ")) << text;
  }
}

TEST(JsonValueTest, TimestampsAsText) {
  EXPECT_EQ(value_as("TIMESTAMP", R"("2024-02-29T12:34:56.789Z")"), "1709210096789000");
  EXPECT_EQ(value_as("TIMESTAMP", R"("2024-02-29 12:34:56")"), "1709210096000000");
  EXPECT_EQ(value_as("TIMESTAMP", R"("2024-02-29")"), "1709164800000000");
  EXPECT_EQ(value_as("TIMESTAMP", R"("2024-02-29T12:34")"), "1709210040000000");
  EXPECT_EQ(value_as("TIMESTAMP", R"("2024-02-29T12:34:56.123456789")"), "1709210096123456");
  EXPECT_EQ(value_as("TIMESTAMP WITH TIME ZONE", R"("2024-02-29T12:34:56+02:00")"),
            "1709202896000000");
  EXPECT_EQ(value_as("TIMESTAMP WITH TIME ZONE", R"("2024-02-29T12:34:56-0530")"),
            "1709229896000000");
  EXPECT_EQ(value_as("TIMESTAMP WITH TIME ZONE", R"("2024-02-29T12:34:56+02")"),
            "1709202896000000");
  EXPECT_EQ(value_as("TIMESTAMP", R"("1969-12-31T23:59:59.9999995Z")"), "-1");
  EXPECT_EQ(value_as("TIMESTAMP_S", R"("1969-12-31T23:59:59.5Z")"), "-1");
  EXPECT_EQ(value_as("TIMESTAMP_MS", R"("1969-12-31T23:59:59.9999Z")"), "-1");
  EXPECT_EQ(value_as("TIMESTAMP_NS", R"("2024-02-29T12:34:56.123456789Z")"), "1709210096123456789");
  EXPECT_EQ(value_as("TIMESTAMP_NS", R"("2300-01-01T00:00:00Z")"),
            "malformed: v: `\"2300-01-01T00:00:00Z\"` is out of range for TIMESTAMP");
  EXPECT_EQ(value_as("TIMESTAMP", R"("9999-12-31T23:59:59.999999Z")"), "253402300799999999");
  for (const auto* text :
       {R"("2024-02-30T00:00:00Z")", R"("2024-02-29T24:00:00Z")", R"("2024-02-29X12:00")",
        R"("2024-02-29T12:34:56+2")", R"("2024-02-29T12:34:56+02:")",
        R"("2024-02-29T12:34:56+02:6")", R"("2024-02-29T12:34:56+02:60")",
        R"("2024-02-29T12:34:56ZZ")", R"("2024-02-29T")", R"("2024-02-29T12:34:56.1234567890Z")",
        R"("1709210096")", R"("")"}) {
    EXPECT_TRUE(value_as("TIMESTAMP", text).starts_with("malformed: v: ")) << text;
  }
}

TEST(JsonValueTest, TimestampsAsNumbers) {
  EXPECT_EQ(value_as("TIMESTAMP", "1709210096789"), "1709210096789000");
  EXPECT_EQ(
      value_as("TIMESTAMP", "1709210096.789123456", {.timestamp_unit = TimestampUnit::seconds}),
      "1709210096789123");
  EXPECT_EQ(value_as("TIMESTAMP", "1.709210096e9", {.timestamp_unit = TimestampUnit::seconds}),
            "1709210096000000");
  EXPECT_EQ(value_as("TIMESTAMP", "-1", {.timestamp_unit = TimestampUnit::nanoseconds}), "-1");
  EXPECT_EQ(value_as("TIMESTAMP_S", "-1"), "-1");
  EXPECT_EQ(
      value_as("TIMESTAMP", "9223372036854775807", {.timestamp_unit = TimestampUnit::microseconds}),
      "malformed: v: `9223372036854775807` is out of range for TIMESTAMP");
  EXPECT_EQ(value_as("TIMESTAMP", "1e30"), "malformed: v: `1e30` is out of range for TIMESTAMP");
  EXPECT_EQ(value_as("TIMESTAMP", "1e40"), "malformed: v: `1e40` is out of range for TIMESTAMP");
  for (const auto* number :
       {"1709210096", "1709210096000", "1709210096000000", "1709210096000000000"}) {
    EXPECT_EQ(value_as("TIMESTAMP", number, {.timestamp_unit = TimestampUnit::automatic}),
              "1709210096000000");
  }
  EXPECT_EQ(value_as("TIMESTAMP", "-170141183460469231731687303715884105728",
                     {.timestamp_unit = TimestampUnit::automatic}),
            "malformed: v: `-170141183460469231731687303715884105728` is out of range for "
            "TIMESTAMP");
  EXPECT_EQ(value_as("TIMESTAMP", "true"), "malformed: v: `true` is no TIMESTAMP");
}

}  // namespace
}  // namespace millrace::json
