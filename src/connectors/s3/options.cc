#include "connectors/s3/options.h"

namespace millrace::s3 {

const OptionTable<S3Options>& S3Options::table() {
  using O = S3Options;
  using std::chrono::milliseconds;
  static const OptionTable<O> kTable{
      Option<O>{&O::path, "path",
                "A folder, or `s3://bucket/prefix`; for a source also one file, or a pattern such "
                "as `in/2026-*/*.csv` (`**` stands for folders of any depth). The other options "
                "are for S3."}
          .required()
          .path()
          .example("input"),
      Option<O>{&O::region, "region", "The region of the bucket."}.default_text(
          "AWS_REGION, that of the profile, or us-east-1"),
      Option<O>{&O::endpoint, "endpoint",
                "The URL of a store that speaks S3's protocol; without TLS only if it begins with "
                "http://."}
          .default_text("AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS's of the region")
          .example("https://storage.example.com:9000"),
      Option<O>{&O::access_key_id, "access_key_id",
                "Who we are. Without it, what the environment, AWS's files, a web identity token, "
                "the container or the machine says."}
          .example("${env:AWS_ACCESS_KEY_ID}"),
      Option<O>{&O::secret_access_key, "secret_access_key", "The secret of `access_key_id`."}
          .example("${env:AWS_SECRET_ACCESS_KEY}"),
      Option<O>{&O::session_token, "session_token", "The token of a key that is temporary."}
          .example("${env:AWS_SESSION_TOKEN}"),
      Option<O>{&O::profile, "profile",
                "The profile of ~/.aws/config and ~/.aws/credentials that says who we are."}
          .default_text("AWS_PROFILE, or default"),
      Option<O>{&O::anonymous, "anonymous", "Say nothing of who we are: for public buckets."},
      Option<O>{&O::path_style, "path_style",
                "Whether the bucket is named in the path of URLs, not in front of the host's name."}
          .default_text("true with `endpoint`"),
      Option<O>{&O::ca_file, "ca_file",
                "A file of certificates (PEM) of authorities to trust, in place of the system's."}
          .path(),
      Option<O>{&O::timeout, "timeout",
                "A request of which nothing moves for so long is given up and tried again."}
          .at_least(milliseconds(1000)),
      Option<O>{
          &O::max_attempts, "max_attempts",
          "How often a request is tried, with pauses from 50 ms to 5 s, before the log says so. "
          "What a batch under way needs is tried on until it passes."}
          .at_least(1)
          .at_most(100),
      Option<O>{&O::max_connections, "max_connections", "Requests at once."}.at_least(1).at_most(
          256),
  };
  return kTable;
}

}  // namespace millrace::s3
