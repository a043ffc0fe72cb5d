// Files on their way into a bucket: put whole, or part by part where they are large.
#pragma once

#include <memory>
#include <string>

#include "connectors/s3/client.h"
#include "core/object_store.h"

namespace millrace::s3 {

/// A file of more than 8 MiB is sent at once, in parts that nobody sees until finish(), on up to
/// `threads` threads; a smaller one by finish(). `client` outlives it.
[[nodiscard]] std::unique_ptr<ObjectUpload> begin_upload(S3Client& client, const std::string& key,
                                                         const std::string& path,
                                                         std::size_t threads);
/// One that is not there any more is fine.
void abort_upload(S3Client& client, const std::string& key, const std::string& id);

}  // namespace millrace::s3
