#include "formats/json/tokens.h"

#include <simdjson.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace millrace::json {
namespace {

constexpr std::size_t kFirstCapacity = 4096;

const char* explain(simdjson::error_code error) {
  switch (error) {
    case simdjson::EMPTY:
      return "the record is empty";
    case simdjson::UTF8_ERROR:
      return "not valid UTF-8";
    case simdjson::UNESCAPED_CHARS:
      return "a control character in a string";
    case simdjson::UNCLOSED_STRING:
      return "a string does not end";
    default:
      return "not valid JSON";
  }
}

}  // namespace

struct Tokens::Finder {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  // The kernel without SIMD reads behind the text where that ends too early; the others don't.
  bool wants_padding = simdjson::get_active_implementation()->name() == "fallback";
  std::string padded;
};

Tokens::Tokens() : finder_(std::make_unique<Finder>()) {}
Tokens::~Tokens() = default;
Tokens::Tokens(Tokens&&) noexcept = default;
Tokens& Tokens::operator=(Tokens&&) noexcept = default;

const char* Tokens::find(std::string_view text) {
  begin_ = end_ = nullptr;
  if (text.size() > kMaxRecordBytes) {
    return "the record is longer than 1 GiB";
  }
  if (finder_->parser == nullptr || text.size() > capacity_) {
    capacity_ = std::max({kFirstCapacity, text.size(), 2 * capacity_});
    constexpr std::size_t kDepth = 1;  // of its own parser, which isn't used
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(
            capacity_, kDepth, finder_->parser) != simdjson::SUCCESS) {
      capacity_ = 0;
      throw Error(Blame::external, "no memory left to read a JSON record");
    }
  }
  const char* data = text.data();
  if (finder_->wants_padding) {
    finder_->padded.assign(text).append(simdjson::SIMDJSON_PADDING, ' ');
    data = finder_->padded.data();
  }
  const auto error = finder_->parser->stage1(reinterpret_cast<const std::uint8_t*>(data),
                                             text.size(), simdjson::stage1_mode::regular);
  if (error != simdjson::SUCCESS) {
    return explain(error);
  }
  begin_ = finder_->parser->structural_indexes.get();
  end_ = begin_ + finder_->parser->n_structural_indexes;
  return nullptr;
}

}  // namespace millrace::json
