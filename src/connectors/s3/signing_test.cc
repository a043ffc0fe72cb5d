#include "connectors/s3/signing.h"

#include <gtest/gtest.h>

namespace millrace::s3 {
namespace {

constexpr const char* kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string signature_of(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

/// AWS's general test suite.
ToSign suite(std::string method) {
  return {.method = std::move(method),
          .path = "/",
          .query = "",
          .headers = {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
          .payload_hash = kEmptyHash,
          .time = "20150830T123600Z",
          .region = "us-east-1",
          .service = "service"};
}
std::string sign_suite(const ToSign& request) {
  return signature_of(
      authorization(request, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
}

TEST(S3Signing, TheVectorsOfAwsTestSuite) {
  EXPECT_EQ(sign_suite(suite("GET")),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(sign_suite(suite("POST")),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  auto ordered = suite("GET");
  ordered.query = query_text({{"Param2", "value2"}, {"Param1", "value1"}});
  EXPECT_EQ(sign_suite(ordered),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

/// The examples of S3's own documentation.
ToSign example(std::string method, std::string path) {
  return {.method = std::move(method),
          .path = std::move(path),
          .query = "",
          .headers = {{"host", "examplebucket.s3.amazonaws.com"},
                      {"x-amz-content-sha256", kEmptyHash},
                      {"x-amz-date", "20130524T000000Z"}},
          .payload_hash = kEmptyHash,
          .time = "20130524T000000Z",
          .region = "us-east-1",
          .service = "s3"};
}
std::string sign_example(const ToSign& request) {
  return signature_of(
      authorization(request, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
}

TEST(S3Signing, TheExamplesOfS3sDocumentation) {
  auto get = example("GET", "/test.txt");
  get.headers["range"] = "bytes=0-9";
  EXPECT_EQ(sign_example(get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

  auto put = example("PUT", "/" + percent_encoded("test$file.text", true));
  put.payload_hash = hex(sha256("Welcome to Amazon S3."));
  put.headers["x-amz-content-sha256"] = put.payload_hash;
  put.headers["date"] = "Fri, 24 May 2013 00:00:00 GMT";
  put.headers["x-amz-storage-class"] = "REDUCED_REDUNDANCY";
  EXPECT_EQ(sign_example(put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");

  auto lifecycle = example("GET", "/");
  lifecycle.query = query_text({{"lifecycle", ""}});
  EXPECT_EQ(sign_example(lifecycle),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");

  auto list = example("GET", "/");
  list.query = query_text({{"prefix", "J"}, {"max-keys", "2"}});
  EXPECT_EQ(sign_example(list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(S3Signing, TheWholeHeader) {
  EXPECT_EQ(authorization(suite("GET"), "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(S3Signing, Texts) {
  EXPECT_EQ(percent_encoded("a b/\xC3\xBC+%&=?#.x~", true), "a%20b/%C3%BC%2B%25%26%3D%3F%23.x~");
  EXPECT_EQ(percent_encoded("a/b"), "a%2Fb");
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(hex(md5("hello world")), "5eb63bbbe01eeed093cb22bb8f5acdc3");
  EXPECT_EQ(signing_time(std::chrono::system_clock::from_time_t(1369353600)), "20130524T000000Z");
}

}  // namespace
}  // namespace millrace::s3
