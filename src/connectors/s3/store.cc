#include "connectors/s3/store.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/fault.h"
#include "base/log.h"
#include "base/strings.h"
#include "connectors/s3/upload.h"
#include "connectors/s3/xml.h"
#include "core/times.h"

namespace millrace::s3 {

namespace {

constexpr std::size_t kRemovedAtOnce = 1000;  // S3's limit
constexpr std::int64_t kSecondNs = 1'000'000'000;

/// The root of an answer. Throws Error if it is another one.
XmlElement answer_of(const HttpAnswer& answer, std::string_view name, const std::string& url) {
  auto root = parse_xml(answer.body);
  if (!root || root->name != name) {
    throw Error(Blame::external, fmt::format("{}: the answer is not S3's; check `endpoint`", url));
  }
  return *std::move(root);
}

std::string plain_etag(std::string_view etag) {
  return std::string(etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"')
                         ? etag.substr(1, etag.size() - 2)
                         : etag);
}

/// Times are in whole seconds, as HEAD tells them: some stores list smaller parts, too.
Object object_of(const XmlElement& contents) {
  return {
      .key = std::string(contents.text_of("Key")),
      .size = parse_integer(contents.text_of("Size")).value_or(0),
      .modified_ns = parse_timestamp(contents.text_of("LastModified"), 0).value_or(0) * kSecondNs,
      .etag = plain_etag(contents.text_of("ETag"))};
}

}  // namespace

int S3Store::list(const Wanted& wanted,
                  const std::function<bool(std::vector<Object>&&)>& each) const {
  std::string token;
  for (int pages = 1;; ++pages) {
    Request request;
    request.query = {{"list-type", "2"}, {"prefix", wanted.prefix}};
    if (wanted.flat) {
      request.query.emplace_back("delimiter", "/");
    }
    if (!token.empty()) {
      request.query.emplace_back("continuation-token", token);
    } else if (!wanted.after.empty()) {
      request.query.emplace_back("start-after", wanted.after);
    }
    const auto root =
        answer_of(client_->send(request), "ListBucketResult", client_->url(wanted.prefix));
    std::vector<Object> objects;
    for (const XmlElement& child : root.children) {
      if (child.name == "Contents") {
        objects.push_back(object_of(child));
      }
    }
    const bool go_on = each(std::move(objects));
    token = root.text_of("NextContinuationToken");
    if (!go_on || root.text_of("IsTruncated") != "true" || token.empty()) {
      return pages;
    }
  }
}

std::optional<Object> S3Store::find(const std::string& key) const {
  try {
    Request request;
    request.method = "HEAD";
    request.key = key;
    const auto answer = client_->send(request);
    const auto modified = curl_getdate(answer.header("last-modified").c_str(), nullptr);
    return Object{.key = key,
                  .size = parse_integer(answer.header("content-length")).value_or(0),
                  .modified_ns = std::max<std::int64_t>(modified, 0) * kSecondNs,
                  .etag = plain_etag(answer.header("etag"))};
  } catch (const S3Error& error) {
    if (error.status() == 404) {
      return std::nullopt;
    }
    throw;
  }
}

void S3Store::read(const Object& object, std::int64_t offset, std::span<char> to) const {
  if (to.empty()) {
    return;
  }
  Request request;
  request.must_pass = true;
  request.key = object.key;
  request.into = to;
  request.headers["range"] =
      fmt::format("bytes={}-{}", offset, offset + static_cast<std::int64_t>(to.size()) - 1);
  if (!object.etag.empty()) {
    request.headers["if-match"] = fmt::format(R"("{}")", object.etag);
  }
  try {
    client_->send(request);
  } catch (const S3Error& error) {
    if (error.status() != 404 && error.status() != 412 && error.status() != 416) {
      throw;
    }
    throw Error(
        Blame::external,
        fmt::format(
            "`{}` {}; a batch that it was planned for must be able to read it again "
            "until it is committed: objects must not be changed or removed before",
            url(object.key),
            error.status() == 404 ? "is gone" : "has changed since it was planned for this batch"));
  }
}

void S3Store::put(const std::string& key, std::string_view bytes) {
  Request request;
  request.method = "PUT";
  request.must_pass = true;
  request.key = key;
  request.body = bytes;
  request.headers["x-amz-checksum-sha256"] = base64(sha256(bytes));
  client_->send(request);
}

std::unique_ptr<ObjectUpload> S3Store::upload(const std::string& key, const std::string& path) {
  return begin_upload(*client_, key, path, at_once_);
}

void S3Store::abort_uploads(const std::string& prefix,
                            const std::function<bool(std::string_view key)>& ours) {
  Query next;
  while (true) {
    Request request;
    request.query = {{"uploads", ""}, {"prefix", prefix}};
    request.query.insert(request.query.end(), next.begin(), next.end());
    XmlElement root;
    try {
      root = answer_of(client_->send(request), "ListMultipartUploadsResult", client_->url(prefix));
    } catch (const S3Error& error) {
      // Some stores have no such request, and keys may be without the right: what is left over then
      // costs space, no more.
      Log().warn("{}; uploads that were never finished stay", error.what());
      return;
    }
    for (const XmlElement& child : root.children) {
      if (child.name == "Upload" && ours(child.text_of("Key"))) {
        abort_upload(*client_, std::string(child.text_of("Key")),
                     std::string(child.text_of("UploadId")));
      }
    }
    if (root.text_of("IsTruncated") != "true") {
      return;
    }
    next = {{"key-marker", std::string(root.text_of("NextKeyMarker"))},
            {"upload-id-marker", std::string(root.text_of("NextUploadIdMarker"))}};
  }
}

void S3Store::remove(const std::vector<std::string>& keys) {
  for (std::size_t begin = 0; begin < keys.size(); begin += kRemovedAtOnce) {
    const auto end = std::min(keys.size(), begin + kRemovedAtOnce);
    std::string body = R"(<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)";
    body += "<Quiet>true</Quiet>";
    for (std::size_t i = begin; i < end; ++i) {
      fmt::format_to(std::back_inserter(body), "<Object><Key>{}</Key></Object>",
                     xml_escaped(keys[i]));
    }
    body += "</Delete>";
    Request request;
    request.method = "POST";
    request.must_pass = true;
    request.query = {{"delete", ""}};
    request.body = body;
    request.headers["content-md5"] = base64(md5(body));
    request.headers["content-type"] = "application/xml";
    const auto root = answer_of(client_->send(request), "DeleteResult", client_->url(""));
    for (const XmlElement& child : root.children) {
      if (child.name == "Error" && child.text_of("Code") != "NoSuchKey") {
        throw Error(Blame::external,
                    fmt::format("cannot remove `{}`: {}: {}", client_->url(child.text_of("Key")),
                                child.text_of("Code"), child.text_of("Message")));
      }
    }
    fault_point("s3.between_removals");
  }
}

}  // namespace millrace::s3
