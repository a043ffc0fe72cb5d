#include "connectors/s3/credentials.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/test_folder.h"
#include "connectors/s3/client.h"

namespace millrace::s3 {
namespace {

namespace fs = std::filesystem;

/// A home folder and an environment of its own.
class S3Credentials : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(home_ / ".aws");
    variables_ = {{"HOME", home_.string()}, {"AWS_EC2_METADATA_DISABLED", "true"}};
  }

  void write(const std::string& file, const std::string& text) const {
    std::ofstream(home_ / ".aws" / file) << text;
  }
  Environment environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
  }
  Credentials look(const S3Options& options = {}) const {
    return CredentialChain(options, "us-east-1", environment(), std::chrono::system_clock::now)
        .get({});
  }
  std::string error_of(const S3Options& options = {}) const {
    try {
      look(options);
    } catch (const Error& error) {
      EXPECT_EQ(error.blame(), Blame::user);
      return error.what();
    }
    return "none";
  }

  TempFolder temporary_;
  fs::path home_ = temporary_.path();
  std::map<std::string, std::string> variables_;
};

TEST_F(S3Credentials, TheOptionsGoFirst) {
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "env";
  S3Options options;
  options.access_key_id = "OPT";
  options.secret_access_key = Secret("opt");
  const auto found = look(options);
  EXPECT_EQ(found.access_key_id, "OPT");
  EXPECT_EQ(found.secret.reveal(), "opt");
  EXPECT_EQ(found.from, "key OPT of the connection's options");
}

TEST_F(S3Credentials, TheEnvironmentThenTheFiles) {
  write("credentials", "[default]\naws_access_key_id = FILE\naws_secret_access_key=file # mine\n");
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "env";
  variables_["AWS_SESSION_TOKEN"] = "token";
  EXPECT_EQ(look().access_key_id, "ENV");
  EXPECT_EQ(look().session_token.reveal(), "token");
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  const auto found = look();
  EXPECT_EQ(found.access_key_id, "FILE");
  EXPECT_EQ(found.secret.reveal(), "file");
  EXPECT_EQ(found.from, "key FILE of the profile `default`");
}

TEST_F(S3Credentials, ProfilesOfBothFiles) {
  write("config",
        "; what we have\n[default]\nregion = eu-west-1\n"
        "[profile etl]\nregion=eu-north-1\ns3 =\n  max_concurrent_requests = 20\n"
        "aws_access_key_id = CONFIG\naws_secret_access_key = config\n"
        "[etl]\naws_access_key_id = WRONG\n");
  write("credentials", "[etl]\r\naws_access_key_id = ETL\r\naws_secret_access_key = etl\r\n");
  S3Options options;
  options.profile = "etl";
  EXPECT_EQ(look(options).access_key_id, "ETL");
  EXPECT_EQ(find_endpoint(options, "bucket", environment()).region, "eu-north-1");
  options.profile.clear();
  EXPECT_EQ(find_endpoint(options, "bucket", environment()).region, "eu-west-1");
  variables_["AWS_PROFILE"] = "etl";
  EXPECT_EQ(look().access_key_id, "ETL");
  options.profile = "other";
  EXPECT_TRUE(error_of(options).contains("no profile `other`")) << error_of(options);
  options.profile = "default";
  EXPECT_TRUE(error_of(options).contains("says of no key")) << error_of(options);
}

TEST_F(S3Credentials, NobodyKnowsAKey) {
  EXPECT_TRUE(error_of().starts_with("no key for S3")) << error_of();
  S3Options options;
  options.anonymous = true;
  EXPECT_EQ(look(options).access_key_id, "");
}

TEST_F(S3Credentials, AKeyIsNotAskedOfAnyHostWithoutTls) {
  for (const std::string url : {"http://example.com/key", "http://127.0.0.1.example.com/key",
                                "ftp://127.0.0.1/", "http://localhost@example.com/"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    EXPECT_TRUE(error_of().starts_with("AWS_CONTAINER_CREDENTIALS_FULL_URI")) << url;
  }
}

TEST_F(S3Credentials, WhereBucketsAreFound) {
  const auto text = [this](const S3Options& options, const std::string& bucket = "lake") {
    return find_endpoint(options, bucket, environment()).text();
  };
  S3Options options;
  EXPECT_EQ(text(options), "https://lake.s3.us-east-1.amazonaws.com");
  EXPECT_EQ(text(options, "a.b"), "https://s3.us-east-1.amazonaws.com/a.b");
  variables_["AWS_REGION"] = "eu-west-1";
  EXPECT_EQ(text(options), "https://lake.s3.eu-west-1.amazonaws.com");
  options.path_style = true;
  EXPECT_EQ(text(options), "https://s3.eu-west-1.amazonaws.com/lake");
  variables_["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9000/";
  EXPECT_EQ(text(options), "http://127.0.0.1:9000/lake");
  options.endpoint = "https://store:9000/s3";
  EXPECT_EQ(text(options), "https://store:9000/s3/lake");
  options.path_style = false;
  EXPECT_EQ(text(options), "https://lake.store:9000/s3");
  for (const std::string bad :
       {"store:9000", "ftp://store", "https://", "https://a:b@store", "https://store?x"}) {
    options.endpoint = bad;
    EXPECT_THROW((void)find_endpoint(options, "lake", environment()), Error) << bad;
  }
}

}  // namespace
}  // namespace millrace::s3
