#include "control/settled_rows.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::control {

void SettledRows::open(const std::string& folder) {
  const std::lock_guard guard(lock_);
  if (store_) {
    return;
  }
  store_ = std::make_unique<Segments>(
      Segments::Options{.folder = folder, .name = "quarantine", .records_max = kRowsMax},
      [this](std::int64_t number, std::string&& text, Segments::Place /*place*/) {
        auto row = Json::parse(text, nullptr, false);
        next_ = std::max(next_, number + 1);
        if (row.is_object() && row.contains("id") && row.contains("status")) {
          keep(std::make_shared<const Json>(std::move(row)));
        }
      });
}

void SettledRows::forget() {
  const std::lock_guard guard(lock_);
  rows_.clear();
  waiting_.clear();
  store_.reset();
}

/// With the lock held.
void SettledRows::keep(std::shared_ptr<const Json> row) {
  rows_.push_back(std::move(row));
  if (std::cmp_greater(rows_.size(), kRowsMax)) {
    rows_.pop_front();
  }
}

void SettledRows::add(Json row) {
  const std::lock_guard guard(lock_);
  const auto number = next_++;
  row["number"] = number;
  const auto text = row.dump(-1, ' ', false, Json::error_handler_t::replace);
  keep(std::make_shared<const Json>(std::move(row)));
  if (store_) {
    store_->append(number, text);
  }
}

void SettledRows::discarded(Json row) {
  row["status"] = "discarded";
  add(std::move(row));
}

void SettledRows::taken(Json row, std::int64_t by) {
  row["status"] = "replayed";
  row["read_by"] = by;
  add(std::move(row));
}

void SettledRows::wait(const std::string& file, std::int64_t by) {
  const std::lock_guard guard(lock_);
  std::erase_if(waiting_, [&](const auto& one) { return one.second < by; });
  waiting_[file] = by;
}

std::int64_t SettledRows::taken_by(const std::string& file, std::int64_t committed) const {
  const std::lock_guard guard(lock_);
  const auto found = waiting_.find(file);
  return found == waiting_.end() || found->second <= committed ? -1 : found->second;
}

void SettledRows::visit(const std::function<bool(const Json& row)>& visit) const {
  std::vector<std::shared_ptr<const Json>> rows;
  {
    const std::lock_guard guard(lock_);
    rows.assign(rows_.rbegin(), rows_.rend());
  }
  for (const auto& row : rows) {
    if (!visit(*row)) {
      return;
    }
  }
}

}  // namespace millrace::control
