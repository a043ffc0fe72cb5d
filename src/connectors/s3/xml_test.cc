#include "connectors/s3/xml.h"

#include <gtest/gtest.h>

namespace millrace::s3 {
namespace {

TEST(S3Xml, AListing) {
  const auto root = parse_xml(
      R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/>
  <IsTruncated>true</IsTruncated><!-- a > b -->
  <Contents><Key>a &amp; b&#x2F;&#252;&lt;.csv</Key><Size>3</Size></Contents>
  <Contents><Key>c</Key></Contents></ListBucketResult>
)");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->name, "ListBucketResult");
  EXPECT_EQ(root->text_of("Name"), "b");
  EXPECT_EQ(root->text_of("Prefix"), "");
  EXPECT_EQ(root->text_of("IsTruncated"), "true");
  EXPECT_EQ(root->find("Contents")->text_of("Key"), "a & b/\xC3\xBC<.csv");
  EXPECT_EQ(root->children.back().text_of("Key"), "c");
  EXPECT_EQ(root->find("Nothing"), nullptr);
}

TEST(S3Xml, PrefixesAttributesAndByteOrderMarks) {
  const auto root = parse_xml("\xEF\xBB\xBF<a:Error x='>'><a:Code >X</a:Code ></a:Error>");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->name, "Error");
  EXPECT_EQ(root->text_of("Code"), "X");
}

TEST(S3Xml, WhatIsNone) {
  for (const std::string text :
       {"", "text", "<a>", "<a></b>", "<a/><b/>", "<a>&nothing;</a>", "<a>&#x110000;</a>",
        "<a>&#xFFFFFFFFFF;</a>", "<a>&amp</a>", "<!DOCTYPE a><a/>", "<a><![CDATA[x]]></a>", "<a",
        "<>", "</a>", "<a x=\">", "<?xml", "<a><!-- </a>", "<a>&;</a>", "<a>&#;</a>"}) {
    EXPECT_FALSE(parse_xml(text)) << text;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) {
    deep += "<a>";
  }
  EXPECT_FALSE(parse_xml(deep));
}

TEST(S3Xml, EscapedAndBack) {
  const std::string text = "a<b>&c\r\n\"'";
  EXPECT_EQ(parse_xml("<a>" + xml_escaped(text) + "</a>")->text, text);
}

}  // namespace
}  // namespace millrace::s3
