#include "formats/avro/file_rows.h"

#include <utility>

#include "base/error.h"
#include "core/growing_columns.h"
#include "formats/avro/resolve.h"
#include "formats/avro/value_record.h"

namespace millrace::avro {

namespace {

/// Files that come have few schemas; of more, those that were seen are made again.
constexpr std::size_t kPlansMax = 64;

}  // namespace

SharedSchema file_schema(std::string_view json) {
  return std::make_shared<const AvroSchema>(parse_schema(json, Names::any));
}

FileRows::FileRows(millrace::Schema declared)
    : FileRows(make_reading({.declared = std::move(declared)})) {}

FileRows::FileRows(std::string_view reader_json)
    : FileRows(make_reading({.reader = file_schema(reader_json)})) {}

std::shared_ptr<const FilePlan> FileRows::plan(const std::string& writer_json) {
  const std::lock_guard guard(lock_);
  if (const auto known = plans_.find(writer_json); known != plans_.end()) {
    return known->second;
  }
  if (plans_.size() == kPlansMax) {
    plans_.clear();
  }
  auto made = std::make_shared<const FilePlan>(make_plan(writer_json));
  return plans_.emplace(writer_json, std::move(made)).first->second;
}

FilePlan FileRows::make_plan(const std::string& writer_json) const {
  const SharedSchema writer = file_schema(writer_json);
  FilePlan plan;
  plan.skip = std::make_shared<const Plan>(
      resolve(as_record(writer, {}), millrace::Schema(), Missing::null));
  plan.rescue = reading_.rescue;
  try {
    if (reading_.rest) {
      plan.rest = std::make_shared<const Plan>(reading_.rest(writer));
    }
    plan.rows = std::make_shared<const Plan>(reading_.resolve(writer));
  } catch (const formats::SchemaChange&) {
    throw;  // no row of such a file is to be
  } catch (const ColumnsGrew&) {
    throw;  // the rows are to be others
  } catch (const Error& error) {
    plan.reason = error.what();
  }
  return plan;
}

FileDecoder::FileDecoder(std::shared_ptr<const FilePlan> plan)
    : plan_(std::move(plan)), skip_(*plan_->skip) {
  if (plan_->rows != nullptr) {
    decoder_.emplace(*plan_->rows);
    if (plan_->rest != nullptr) {
      rescue_.emplace(*plan_->rows, *plan_->rest);
    }
  }
  skip_.begin({});
}

void FileDecoder::begin(std::span<ColumnWriter* const> columns) {
  if (!decoder_) {
    return;
  }
  if (rescue_) {
    rescued_to_ = columns[plan_->rescue];
    decoder_->begin(formats::without_column(columns, plan_->rescue));
  } else {
    decoder_->begin(columns);
  }
}

FileDecoder::Result FileDecoder::next(std::string_view& records, std::size_t row) {
  const std::string_view all = records;
  Result result;
  if (decoder_) {
    result.why = decoder_->decode_next(records, row);
    if (!result.why && rescued_to_ != nullptr) {
      const auto record = all.substr(0, all.size() - records.size());
      result.why = rescue_->fill(record, *rescued_to_, row);
    }
  } else {
    result.why = Malformation{.column = "", .reason = plan_->reason};
  }
  if (result.why) {
    records = all;
    if (const auto broken = skip_.decode_next(records, row)) {
      result.lost = true;
      records = {};
      // That its bytes are none says more than that nothing could be made of them.
      result.why = decoder_ ? result.why : broken;
    }
  }
  result.record = all.substr(0, all.size() - records.size());
  return result;
}

}  // namespace millrace::avro
