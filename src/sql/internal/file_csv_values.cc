#include "sql/internal/file_csv_values.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "duckdb/common/operator/cast_operators.hpp"
#include "duckdb/function/scalar/strftime_format.hpp"

namespace millrace::sql {

namespace {

using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalTypeId;
using duckdb::PhysicalType;
using duckdb::string_t;

string_t as_string_t(std::string_view text) {
  return {text.data(), static_cast<std::uint32_t>(text.size())};
}

void set_valid(duckdb::Vector& vector, idx_t row) {
  auto& validity = FlatVector::Validity(vector);
  if (!validity.AllValid()) {
    validity.SetValid(row);
  }
}

/// Plain digits with a sign, few enough that nothing can overflow: nearly all numbers there are.
template <std::integral T>
bool parse_fast(std::string_view text, T& value) {
  constexpr std::size_t kDigits = std::numeric_limits<T>::digits10;
  const bool negative = std::is_signed_v<T> && !text.empty() && text.front() == '-';
  text.remove_prefix(negative ? 1 : 0);
  if (text.empty() || text.size() > kDigits) {
    return false;
  }
  std::int64_t sum = 0;
  for (const char c : text) {
    const auto digit = static_cast<unsigned char>(c - '0');
    if (digit > 9) {
      return false;
    }
    sum = (sum * 10) + digit;
  }
  value = static_cast<T>(negative ? -sum : sum);
  return true;
}

template <std::floating_point T>
bool parse_fast(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

// DuckDB's casts, for all that is not plain. Strict: 1.5 is no INTEGER, it would lose its half.
struct NumberParser {
  template <class T>
  bool operator()(std::string_view text, T& value) const {
    if constexpr (!std::same_as<T, bool>) {
      if (parse_fast(text, value)) {
        return true;
      }
    }
    return duckdb::TryCast::Operation<string_t, T>(as_string_t(text), value, true);
  }
};

struct DecimalParser {
  duckdb::LogicalType type;
  std::size_t scale;
  std::size_t digits;  // before the point

  template <class T>
  bool operator()(std::string_view text, T& value) const {
    // Nearly always plain digits with a point, few enough for 64 bits.
    constexpr std::size_t kDigits = 18;
    std::string_view rest = text;
    const bool negative = !rest.empty() && rest.front() == '-';
    rest.remove_prefix(negative ? 1 : 0);
    const std::size_t point = std::min(rest.find('.'), rest.size());
    const std::string_view fraction = rest.substr(std::min(point + 1, rest.size()));
    bool plain =
        point > 0 && point <= digits && fraction.size() <= scale && point + scale <= kDigits;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < rest.size() && plain; ++i) {
      if (i != point) {
        const auto digit = static_cast<unsigned char>(rest[i] - '0');
        plain = digit <= 9;
        sum = (sum * 10) + digit;
      }
    }
    if (!plain) {
      return parse_any(text, value);
    }
    for (std::size_t i = fraction.size(); i < scale; ++i) {
      sum *= 10;
    }
    value = static_cast<T>(negative ? -sum : sum);
    return true;
  }

 private:
  template <class T>
  bool parse_any(std::string_view text, T& value) const {
    duckdb::Value parsed;
    std::string ignored;
    if (!duckdb::Value(std::string(text)).DefaultTryCastAs(type, parsed, &ignored, true)) {
      return false;
    }
    value = parsed.GetValueUnsafe<T>();
    return true;
  }
};

struct DateParser {
  template <class T>
  bool operator()(std::string_view text, T& value) const {
    return duckdb::TryCast::Operation<string_t, T>(as_string_t(text), value, true);
  }
};

struct FormatParser {
  duckdb::StrpTimeFormat format;

  bool operator()(std::string_view text, duckdb::date_t& value) const {
    return format.TryParseDate(text.data(), text.size(), value);
  }
  bool operator()(std::string_view text, duckdb::timestamp_t& value) const {
    return format.TryParseTimestamp(text.data(), text.size(), value);
  }
};

/// Fixed-size values that are decoded one by one.
template <class T, class Parser>
class ValueWriter final : public FieldWriter {
 public:
  ValueWriter(Parser parser, std::string null_text)
      : parser_(std::move(parser)), null_text_(std::move(null_text)) {}

  void begin(duckdb::Vector& to) override {
    to_ = &to;
    data_ = FlatVector::GetData<T>(to);
  }
  bool write(idx_t row, const FieldText& field) override {
    std::string_view text = field.text;
    if (!text.empty() && (text.front() == ' ' || text.back() == ' ')) {
      text = trim(text);
    }
    if (text.empty() || (!field.quoted && field.text == null_text_)) {
      set_null(row);
      return true;
    }
    return parser_(text, data_[row]);
  }
  void clear(idx_t row) override { set_valid(*to_, row); }
  void set_null(idx_t row) override { FlatVector::SetNull(*to_, row, true); }

 private:
  Parser parser_;
  std::string null_text_;
  duckdb::Vector* to_ = nullptr;
  T* data_ = nullptr;
};

class TextWriter final : public FieldWriter {
 public:
  explicit TextWriter(std::string null_text) : null_text_(std::move(null_text)) {}

  void begin(duckdb::Vector& to) override {
    to_ = &to;
    data_ = FlatVector::GetData<string_t>(to);
  }
  bool write(idx_t row, const FieldText& field) override {
    if (!field.quoted && field.text == null_text_) {
      set_null(row);
    } else {
      const string_t text = as_string_t(field.text);
      data_[row] = field.stable || text.IsInlined()
                       ? text
                       : duckdb::StringVector::AddStringOrBlob(*to_, text);
    }
    return true;
  }
  void clear(idx_t row) override { set_valid(*to_, row); }
  void set_null(idx_t row) override { FlatVector::SetNull(*to_, row, true); }

 private:
  std::string null_text_;
  duckdb::Vector* to_ = nullptr;
  string_t* data_ = nullptr;
};

/// Any other type: the texts of a chunk are gathered, then DuckDB casts them together.
class LateWriter final : public FieldWriter {
 public:
  LateWriter(bool text_like, std::string null_text)
      : text_like_(text_like), null_text_(std::move(null_text)) {}

  void begin(duckdb::Vector& to) override {
    to_ = &to;
    texts_ = std::make_unique<duckdb::Vector>(duckdb::LogicalType::VARCHAR);
  }
  bool write(idx_t row, const FieldText& field) override {
    const std::string_view text = text_like_ ? field.text : trim(field.text);
    if ((text.empty() && !text_like_) || (!field.quoted && field.text == null_text_)) {
      set_null(row);
    } else {
      FlatVector::GetData<string_t>(*texts_)[row] =
          duckdb::StringVector::AddStringOrBlob(*texts_, as_string_t(text));
    }
    return true;
  }
  void clear(idx_t row) override { set_valid(*texts_, row); }
  void set_null(idx_t row) override { FlatVector::SetNull(*texts_, row, true); }
  [[nodiscard]] bool late() const noexcept override { return true; }
  void end(duckdb::ClientContext& context, idx_t rows, std::vector<idx_t>& misfits) override {
    std::string error;
    if (duckdb::VectorOperations::TryCast(context, *texts_, *to_, rows, &error)) {
      return;
    }
    to_->Flatten(rows);
    for (idx_t row = 0; row < rows; ++row) {
      if (!FlatVector::IsNull(*texts_, row) && FlatVector::IsNull(*to_, row)) {
        misfits.push_back(row);
      }
    }
  }

 private:
  bool text_like_;  // an empty text and spaces mean something
  std::string null_text_;
  duckdb::Vector* to_ = nullptr;
  std::unique_ptr<duckdb::Vector> texts_;
};

template <class T, class Parser>
std::unique_ptr<FieldWriter> value_writer(Parser parser, const FileFormat& format) {
  return std::make_unique<ValueWriter<T, Parser>>(std::move(parser), format.null_text);
}

std::unique_ptr<FieldWriter> make_decimal_writer(const duckdb::LogicalType& type,
                                                 const FileFormat& format) {
  const std::size_t scale = duckdb::DecimalType::GetScale(type);
  const DecimalParser parser{type, scale, duckdb::DecimalType::GetWidth(type) - scale};
  switch (type.InternalType()) {
    case PhysicalType::INT16:
      return value_writer<std::int16_t>(parser, format);
    case PhysicalType::INT32:
      return value_writer<std::int32_t>(parser, format);
    case PhysicalType::INT64:
      return value_writer<std::int64_t>(parser, format);
    default:
      return value_writer<duckdb::hugeint_t>(parser, format);
  }
}

template <class T>
std::unique_ptr<FieldWriter> make_time_writer(const std::string& pattern,
                                              const FileFormat& format) {
  if (pattern.empty()) {
    return value_writer<T>(DateParser{}, format);
  }
  FormatParser parser;
  const std::string error = duckdb::StrTimeFormat::ParseFormatSpecifier(pattern, parser.format);
  if (!error.empty()) {
    throw Error(Blame::user, "the format \"" + pattern + "\" cannot be used: " + error);
  }
  return value_writer<T>(std::move(parser), format);
}

}  // namespace

std::unique_ptr<FieldWriter> make_field_writer(const duckdb::LogicalType& type,
                                               const FileFormat& format) {
  switch (type.id()) {
    case LogicalTypeId::VARCHAR:
      if (!type.HasAlias()) {  // JSON is a VARCHAR that must parse
        return std::make_unique<TextWriter>(format.null_text);
      }
      return std::make_unique<LateWriter>(false, format.null_text);
    case LogicalTypeId::BOOLEAN:
      return value_writer<bool>(NumberParser{}, format);
    case LogicalTypeId::TINYINT:
      return value_writer<std::int8_t>(NumberParser{}, format);
    case LogicalTypeId::SMALLINT:
      return value_writer<std::int16_t>(NumberParser{}, format);
    case LogicalTypeId::INTEGER:
      return value_writer<std::int32_t>(NumberParser{}, format);
    case LogicalTypeId::BIGINT:
      return value_writer<std::int64_t>(NumberParser{}, format);
    case LogicalTypeId::UTINYINT:
      return value_writer<std::uint8_t>(NumberParser{}, format);
    case LogicalTypeId::USMALLINT:
      return value_writer<std::uint16_t>(NumberParser{}, format);
    case LogicalTypeId::UINTEGER:
      return value_writer<std::uint32_t>(NumberParser{}, format);
    case LogicalTypeId::FLOAT:
      return value_writer<float>(NumberParser{}, format);
    case LogicalTypeId::DOUBLE:
      return value_writer<double>(NumberParser{}, format);
    case LogicalTypeId::DECIMAL:
      return make_decimal_writer(type, format);
    case LogicalTypeId::DATE:
      return make_time_writer<duckdb::date_t>(format.date_format, format);
    case LogicalTypeId::TIMESTAMP:
      return make_time_writer<duckdb::timestamp_t>(format.timestamp_format, format);
    default:
      return std::make_unique<LateWriter>(
          type.id() == LogicalTypeId::BLOB || type.id() == LogicalTypeId::ENUM, format.null_text);
  }
}

}  // namespace millrace::sql
