#include "connectors/files/rolling_state.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "connectors/files/output_names.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view kBatch = "batch-";
constexpr std::string_view kStagedBatch = ".batch-";

std::optional<std::int64_t> number_behind(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix) || !is_number(name.substr(prefix.size()))) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  return number;
}

Json json_of(const RollingPartition& partition) {
  Json json = {{"through", {partition.through.batch, partition.through.part}}};
  if (!partition.base.empty()) {
    json["name"] = partition.name;
    json["base"] = name_of_file(partition.base);
    json["bytes"] = partition.base_bytes;
    json["opened_us"] = partition.opened_us;
    json["published"] = partition.is_published;
  }
  return json;
}

}  // namespace

std::int64_t RollingPartition::bytes() const noexcept {
  std::int64_t sum = base_bytes;
  for (const Piece& piece : pieces) {
    sum += piece.bytes;
  }
  return sum;
}

std::string RollingState::path(std::string_view name) const {
  return fmt::format("{}/{}", folder_, name);
}

bool RollingState::has_rows(const std::string& folder) {
  return std::ranges::any_of(list_folder(folder), [](const std::string& name) {
    return number_behind(kBatch, name) || name == "rolling.json";
  });
}

std::string RollingState::staging_folder(std::int64_t batch) const {
  return fmt::format("{}/{}{}", folder_, kStagedBatch, batch);
}

std::string RollingState::batch_folder(std::int64_t batch) const {
  return fmt::format("{}/{}{}", folder_, kBatch, batch);
}

void RollingState::keep_batch(std::int64_t batch) const {
  const auto staged = staging_folder(batch);
  fsync_folder(staged);
  for (const auto& entry : fs::recursive_directory_iterator(staged)) {
    if (entry.is_directory()) {
      fsync_folder(entry.path().native());
    }
  }
  remove_tree(batch_folder(batch));  // of an attempt that failed
  rename_file(staged, batch_folder(batch));
  fsync_folder(folder_);
}

void RollingState::drop_batch(std::int64_t batch) const {
  remove_tree(staging_folder(batch));
  remove_tree(batch_folder(batch));
}

std::string RollingState::new_base() {
  make_folders(path("open"));
  return path(fmt::format("open/{}", next_base_++));
}

void RollingState::load(std::optional<std::int64_t> last_committed) {
  make_folders(folder_);
  load_partitions();
  std::vector<std::int64_t> batches;
  for (const auto& name : list_folder(folder_)) {
    const auto batch = number_behind(kBatch, name);
    if (number_behind(kStagedBatch, name) || (batch && *batch > last_committed.value_or(-1))) {
      remove_tree(path(name));
    } else if (batch) {
      batches.push_back(*batch);
    }
  }
  std::ranges::sort(batches);
  std::ranges::for_each(batches, [this](std::int64_t batch) { load_pieces(batch); });
  std::set<std::string> bases;
  for (const auto& [name, partition] : partitions_) {
    bases.insert(partition.base);
  }
  for (const auto& name : list_folder(path("open"))) {
    if (!bases.contains(path("open/" + name))) {
      remove_file(path("open/" + name));
    }
  }
  remove_garbage();
}

void RollingState::load_partitions() {
  const auto file = path("rolling.json");
  if (!exists(file)) {
    return;
  }
  try {
    const auto json = Json::parse(read_file(file));
    kind_ = json.at("kind").get<std::string>();
    next_base_ = json.at("next_base").get<std::int64_t>();
    for (const auto& [name, saved] : json.at("partitions").items()) {
      RollingPartition& partition = partitions_[name];
      partition.through = {saved.at("through").at(0), saved.at("through").at(1)};
      if (saved.contains("base")) {
        partition.name = saved.at("name");
        partition.base = path("open/" + saved.at("base").get<std::string>());
        partition.base_bytes = saved.at("bytes");
        partition.opened_us = saved.at("opened_us");
        partition.is_published = saved.at("published");
      }
    }
  } catch (const Json::exception& error) {
    throw Error(Blame::external, fmt::format("`{}` is damaged: {}", file, error.what()));
  }
}

void RollingState::load_pieces(std::int64_t batch) {
  const auto folder = batch_folder(batch);
  std::vector<std::pair<std::string, Piece>> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto part = number_behind("", entry.path().filename().native());
    if (!entry.is_regular_file() || !part) {
      continue;
    }
    const auto& file = entry.path().native();
    const auto in = folder_of(file);
    struct stat now{};
    if (::stat(file.c_str(), &now) != 0) {
      throw_file_error("read", file, errno);
    }
    const std::int64_t since_us =
        (std::int64_t{now.st_mtim.tv_sec} * 1'000'000) + (now.st_mtim.tv_nsec / 1000);
    found.emplace_back(in == folder ? "" : in.substr(folder.size() + 1),
                       Piece{{batch, static_cast<int>(*part)}, file, now.st_size, since_us});
  }
  std::ranges::sort(found, {}, [](const auto& each) { return each.second.id; });
  for (auto& [partition, piece] : found) {
    add(partition, std::move(piece));
  }
}

void RollingState::add(const std::string& partition, Piece piece) {
  RollingPartition& to = partitions_[partition];
  batches_[piece.id.batch].emplace_back(partition, piece.id);
  if (piece.id > to.through) {
    to.pieces.push_back(std::move(piece));
  }
}

void RollingState::save() {
  Json json = {{"kind", kind_}, {"next_base", next_base_}, {"partitions", Json::object()}};
  // What a partition had is needed for as long as there are pieces that it tells to be taken.
  std::erase_if(partitions_, [this](const auto& each) {
    return each.second.is_empty() &&
           (batches_.empty() || batches_.begin()->first > each.second.through.batch);
  });
  for (const auto& [name, partition] : partitions_) {
    json["partitions"][name] = json_of(partition);
  }
  write_file_atomically(path("rolling.json"), json.dump(1) + "\n");
  remove_garbage();
}

/// Batches of which all pieces were taken.
void RollingState::remove_garbage() {
  bool removed = false;
  std::erase_if(batches_, [&](const auto& each) {
    const bool taken = std::ranges::all_of(each.second, [this](const auto& piece) {
      const auto found = partitions_.find(piece.first);
      return found != partitions_.end() && piece.second <= found->second.through;
    });
    if (taken) {
      remove_tree(batch_folder(each.first));
      removed = true;
    }
    return taken;
  });
  if (removed) {
    fsync_folder(folder_);  // before rolling.json forgets that they were taken
  }
}

}  // namespace millrace
