#include "connectors/mysql/binlog_position.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "base/strings.h"

namespace millrace::mysql {

nlohmann::json BinlogPosition::to_json() const {
  return {
      {"gtid", gtid}, {"file", file}, {"offset", offset}, {"sequence", sequence}, {"given", given}};
}

BinlogPosition BinlogPosition::from_json(const nlohmann::json& json) {
  return {.gtid = json.at("gtid"),
          .file = json.at("file"),
          .offset = json.at("offset"),
          .sequence = json.at("sequence"),
          .given = json.at("given")};
}

void BinlogPosition::pass(std::uint32_t domain, std::uint32_t server, std::uint64_t number) {
  const auto prefix = fmt::format("{}-", domain);
  std::vector<std::string> all;
  for (const auto one : split(gtid, ',')) {
    if (!one.empty() && !one.starts_with(prefix)) {
      all.emplace_back(one);
    }
  }
  all.push_back(fmt::format("{}{}-{}", prefix, server, number));
  gtid = join(all, ",");
}

void BinlogPosition::pass(const GtidSet::Server& server, std::uint64_t number) {
  auto set = GtidSet::parse(gtid);
  if (set && !gtid.empty()) {
    set->add(server, number);
    gtid = set->text();
  }
}

namespace {

/// MariaDB's transactions: the last number by domain; nullopt: it is no such list.
std::optional<std::map<std::string, std::int64_t, std::less<>>> domains_of(
    const std::string& gtid) {
  std::map<std::string, std::int64_t, std::less<>> domains;
  for (const auto one : split(gtid, ',')) {
    const auto parts = split(one, '-');
    const auto number = parts.size() == 3 ? parse_integer(parts[2]) : std::nullopt;
    if (!number) {
      return std::nullopt;
    }
    domains.emplace(parts[0], *number);
  }
  return domains;
}

/// nullopt: they don't tell.
std::optional<bool> has_transactions(const std::string& gtid, const std::string& others) {
  if (gtid.empty() || others.empty()) {
    return std::nullopt;
  }
  const auto mine = domains_of(gtid);
  const auto wanted = domains_of(others);
  if (mine && wanted) {
    return std::ranges::all_of(*wanted, [&](const auto& domain) {
      const auto found = mine->find(domain.first);
      return found != mine->end() && found->second >= domain.second;
    });
  }
  const auto set = GtidSet::parse(gtid);
  const auto other_set = GtidSet::parse(others);
  return set && other_set ? std::optional(set->contains(*other_set)) : std::nullopt;
}

}  // namespace

bool BinlogPosition::has_reached(const BinlogPosition& other) const {
  if (const auto reached = has_transactions(gtid, other.gtid)) {
    return *reached;
  }
  // Files are numbered, in as many digits as are needed.
  if (file.size() != other.file.size()) {
    return file.size() > other.file.size();
  }
  return file != other.file ? file > other.file : offset >= other.offset;
}

std::string BinlogPosition::text() const { return fmt::format("{}:{}", file, offset); }

}  // namespace millrace::mysql
