#include "connectors/s3/upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "base/call_on_threads.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "connectors/s3/xml.h"

namespace millrace::s3 {

namespace {

constexpr std::size_t kPartBytes = std::size_t{8} << 20;
constexpr std::size_t kPartsMax = 10'000;  // S3's limit

/// A file in memory, as the system reads it.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (!fd.is_open() || ::fstat(fd.get(), &status) != 0) {
      throw_file_error("read", path, errno);
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) {
      return;
    }
    at_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (at_ == MAP_FAILED) {
      throw_file_error("read", path, errno);
    }
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (size_ > 0) {
      ::munmap(at_, size_);
    }
  }
  [[nodiscard]] std::string_view bytes() const noexcept {
    return size_ == 0 ? std::string_view() : std::string_view(static_cast<const char*>(at_), size_);
  }

 private:
  void* at_ = nullptr;
  std::size_t size_ = 0;
};

class WholeUpload final : public ObjectUpload {
 public:
  WholeUpload(S3Client& client, std::string key, std::string path)
      : client_(client), key_(std::move(key)), path_(std::move(path)) {}

  void finish() override {
    const MappedFile file(path_);
    Request request;
    request.must_pass = true;
    request.method = "PUT";
    request.key = key_;
    request.body = file.bytes();
    request.headers["x-amz-checksum-sha256"] = base64(sha256(file.bytes()));
    client_.send(request);
  }

 private:
  S3Client& client_;
  std::string key_;
  std::string path_;
};

class PartsUpload final : public ObjectUpload {
 public:
  PartsUpload(S3Client& client, std::string key, const std::string& path, std::size_t threads);
  ~PartsUpload() override;
  PartsUpload(const PartsUpload&) = delete;
  PartsUpload& operator=(const PartsUpload&) = delete;

  void finish() override;

 private:
  void begin();
  void send_parts(std::string_view bytes, std::size_t threads);
  void give_up() noexcept;
  [[nodiscard]] bool is_there() const;

  S3Client& client_;
  std::string key_;
  std::size_t size_ = 0;
  std::string id_;
  std::vector<std::string> etags_;  // of the parts
  bool finished_ = false;
};

PartsUpload::PartsUpload(S3Client& client, std::string key, const std::string& path,
                         std::size_t threads)
    : client_(client), key_(std::move(key)) {
  const MappedFile file(path);
  size_ = file.bytes().size();
  begin();
  try {
    send_parts(file.bytes(), threads);
  } catch (...) {
    give_up();
    throw;
  }
}

PartsUpload::~PartsUpload() {
  if (!finished_) {
    give_up();
  }
}

void PartsUpload::begin() {
  Request request;
  request.must_pass = true;
  request.method = "POST";
  request.key = key_;
  request.query = {{"uploads", ""}};
  const auto root = parse_xml(client_.send(request).body);
  id_ = root ? root->text_of("UploadId") : "";
  if (id_.empty()) {
    throw Error(Blame::external,
                fmt::format("{}: the store begins no upload in parts", client_.url(key_)));
  }
}

void PartsUpload::send_parts(std::string_view bytes, std::size_t threads) {
  const auto part_bytes = std::max(kPartBytes, (bytes.size() + kPartsMax - 1) / kPartsMax);
  etags_.resize((bytes.size() + part_bytes - 1) / part_bytes);
  call_on_threads(etags_.size(), threads, [&](std::size_t i) {
    Request request;
    request.must_pass = true;
    request.method = "PUT";
    request.key = key_;
    request.query = {{"partNumber", std::to_string(i + 1)}, {"uploadId", id_}};
    request.body = bytes.substr(i * part_bytes, part_bytes);
    etags_[i] = client_.send(request).header("etag");
    fault_point("s3.between_parts");
  });
}

void PartsUpload::give_up() noexcept {
  try {
    abort_upload(client_, key_, id_);
  } catch (const std::exception& error) {  // the next start removes it
    Log().warn("{}", error.what());
  }
}

/// Whether an object of this size and so many parts is there: what finish() makes.
bool PartsUpload::is_there() const {
  Request request;
  request.must_pass = true;
  request.method = "HEAD";
  request.key = key_;
  try {
    const auto answer = client_.send(request);
    return parse_integer(answer.header("content-length")) == static_cast<std::int64_t>(size_) &&
           answer.header("etag").contains(fmt::format("-{}", etags_.size()));
  } catch (const S3Error& error) {
    if (error.status() == 404) {
      return false;
    }
    throw;
  }
}

void PartsUpload::finish() {
  if (finished_) {
    return;
  }
  std::string body = "<CompleteMultipartUpload>";
  for (std::size_t i = 0; i < etags_.size(); ++i) {
    fmt::format_to(std::back_inserter(body),
                   "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1,
                   xml_escaped(etags_[i]));
  }
  body += "</CompleteMultipartUpload>";
  Request request;
  request.must_pass = true;
  request.method = "POST";
  request.key = key_;
  request.query = {{"uploadId", id_}};
  request.headers["content-type"] = "application/xml";
  request.body = body;
  try {
    const auto answer = client_.send(request);
    const auto root = parse_xml(answer.body);
    // It may begin with 200 and find out later that it can't.
    if (!root || root->name != "CompleteMultipartUploadResult") {
      throw Error(Blame::external,
                  fmt::format("{}: the parts were not put together: {}", client_.url(key_),
                              root ? root->text_of("Message") : "no answer of S3's"),
                  Retry::yes);
    }
  } catch (const S3Error& error) {
    // An earlier attempt may have done it, its answer having been lost.
    if (error.code() != "NoSuchUpload" || !is_there()) {
      throw;
    }
  }
  finished_ = true;
}

}  // namespace

std::unique_ptr<ObjectUpload> begin_upload(S3Client& client, const std::string& key,
                                           const std::string& path, std::size_t threads) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    throw_file_error("read", path, errno);
  }
  if (std::cmp_less_equal(status.st_size, kPartBytes)) {
    return std::make_unique<WholeUpload>(client, key, path);
  }
  return std::make_unique<PartsUpload>(client, key, path, threads);
}

void abort_upload(S3Client& client, const std::string& key, const std::string& id) {
  Request request;
  request.method = "DELETE";
  request.key = key;
  request.query = {{"uploadId", id}};
  try {
    client.send(request);
  } catch (const S3Error& error) {
    if (error.status() != 404) {
      throw;
    }
  }
}

}  // namespace millrace::s3
