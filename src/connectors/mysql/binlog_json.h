// MySQL's JSON as its rows and its binlog have it: a binary form with offsets, here made text
// again. https://dev.mysql.com/doc/dev/mysql-server/latest/json__binary_8h.html
#pragma once

#include <span>
#include <string>

namespace millrace::mysql {

/// Appends the document as the server itself would print it. Bytes of texts are passed as they are:
/// UTF-8, if the server is sound. Throws Error if the document is damaged: an offset that leads out
/// of it, more than 100 levels, a text that grows without bound.
void write_json(std::span<const unsigned char> document, std::string& to);

}  // namespace millrace::mysql
