// What was put aside, as the control API shows it, and what becomes of it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "control/api.h"
#include "control/control.h"
#include "control/kept_aside.h"

namespace millrace::control {
namespace {

constexpr std::size_t kRawMax = 16UL << 10U;
constexpr std::array<std::string_view, 4> kStatuses = {"open", "waiting", "replayed", "discarded"};

std::string shown(const std::string& bytes, std::size_t most) {
  auto text = bytes.substr(0, most);
  const bool was_cut = text.size() < bytes.size();
  while (was_cut && !text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0U) == 0x80U) {
    text.pop_back();  // not in the middle of a letter
  }
  if (was_cut && !text.empty() && (static_cast<unsigned char>(text.back()) & 0x80U) != 0) {
    text.pop_back();
  }
  if (!find_invalid_utf8(text)) {
    return text;
  }
  std::string coded;
  encode_base64(text, coded);
  return "base64:" + coded;
}

/// When a batch was, in milliseconds since 1970; 0: that is not known any more.
std::int64_t time_of(const Watched& watched, std::int64_t batch) {
  const auto line = watched.history().line(batch);
  return line ? Json::parse(*line).value("at", std::int64_t{0}) : 0;
}

Json row_json(const KeptAside& kept, const KeptRow& found, std::int64_t at,
              std::size_t raw_max = kRawMax) {
  const auto& row = found.row;
  return {{"id", found.id},
          {"batch", kept.file.batch},
          {"at", at},
          {"dataset", kept.file.of},
          {"check", kept.check_of(row)},
          {"reason", row.reason},
          {"field", row.column},
          {"coord",
           row.line > 0 || row.message ? fmt::format("{}:{}", row.origin, row.line) : row.origin},
          {"raw", shown(row.raw, raw_max)},
          {"status", "open"}};
}

std::expected<std::shared_ptr<const PipelineSpec>, http::Problem> spec_of(const Watched& watched) {
  if (auto spec = watched.host().spec()) {
    return spec;
  }
  return std::unexpected(problem(409, "not_loaded", "the pipeline file could not be read yet"));
}

using Lines = std::map<std::string, std::set<std::size_t>>;  // by path

/// The files and lines that are meant. Ids of what is not there any more mean nothing.
Lines chosen(const PipelineSpec& spec, const KeptFilter& filter, std::vector<KeptAside>& files) {
  Lines lines;
  for (auto& kept : kept_aside(spec, filter)) {
    std::set<std::size_t> of_file;
    visit_rows(kept, [&](const KeptRow& row) {
      if (filter.has(row.id, row.row, kept.check_of(row.row))) {
        of_file.insert(row.line);
      }
      return true;
    });
    if (!of_file.empty()) {
      lines[kept.file.path] = std::move(of_file);
      files.push_back(std::move(kept));
    }
  }
  return lines;
}

/// Calls for rows of files that will not be there any more, as many as are remembered of them.
void remember(const Watched& watched, const std::vector<KeptAside>& files,
              const std::function<bool(const KeptAside&, const KeptRow&)>& is_meant,
              const std::function<void(Json)>& call) {
  std::int64_t count = 0;
  for (const auto& kept : files) {
    const auto at = time_of(watched, kept.file.batch);
    visit_rows(kept, [&](const KeptRow& row) {
      if (is_meant(kept, row)) {
        call(row_json(kept, row, at, SettledRows::kRawMax));
        ++count;
      }
      return count < SettledRows::kRowsMax;
    });
  }
}

/// On the host's thread.
Answer discard(Watched& watched, const PipelineSpec& spec, const KeptFilter& filter,
               const std::string& by) {
  std::vector<KeptAside> files;
  const auto lines = chosen(spec, filter, files);
  std::int64_t count = 0;
  for (const auto& [path, of_file] : lines) {
    count += static_cast<std::int64_t>(of_file.size());
  }
  remember(
      watched, files,
      [&](const KeptAside& kept, const KeptRow& row) {
        return lines.at(kept.file.path).contains(row.line);
      },
      [&](Json row) { watched.settled().discarded(std::move(row)); });
  for (const auto& kept : files) {
    remove_lines(kept, lines.at(kept.file.path));
  }
  watched.note(
      "warn", "quarantine",
      fmt::format("{} discarded from the quarantine, by {}", human_count(count, "row"), by));
  return reply({{"rows", count}, {"batch", nullptr}});
}

/// On the host's thread. A file is what a batch put aside of a source, and is read as a whole: what
/// is still malformed comes back.
Answer replay(Watched& watched, Pipeline& pipeline, const PipelineSpec& spec,
              const KeptFilter& filter, const std::string& by) {
  std::vector<KeptAside> files;
  (void)chosen(spec, filter, files);
  std::erase_if(files, [](const KeptAside& kept) { return kept.kind != "quarantine"; });
  if (files.empty()) {
    return std::unexpected(
        problem(409, "nothing_to_replay", "none of these can be read again",
                "only records that a source could not read are; rows that sinks refused or checks "
                "took out have been read: mend the data where it comes from"));
  }
  std::vector<KeptFile> wanted;
  std::set<std::string> sources;
  std::int64_t rows = 0;
  wanted.reserve(files.size());
  for (const auto& kept : files) {
    wanted.push_back(kept.file);
    sources.insert(kept.file.of);
    visit_rows(kept, [&](const KeptRow&) { return ++rows > 0; });
  }
  if (!pipeline.replay_files(std::move(wanted))) {
    return std::unexpected(problem(409, "nothing_to_replay", "nothing can be read again",
                                   "a table is read whole by every batch"));
  }
  const auto batch = pipeline.next_batch();
  for (const auto& kept : files) {
    watched.settled().wait(kept.id(), batch);
  }
  remember(
      watched, files, [](const auto&, const auto&) { return true; },
      [&](Json row) { watched.settled().taken(std::move(row), batch); });
  watched.note("info", "quarantine",
               fmt::format("{} of {} read again in batch {}, by {}", human_count(rows, "record"),
                           fmt::join(sources, ", "), batch, by),
               batch);
  watched.host().want_batch();
  return reply({{"batch", batch}, {"rows", rows}});
}

std::expected<KeptFilter, http::Problem> filter_of(const Json& body) {
  KeptFilter filter;
  for (const auto& [name, to] :
       {std::pair{"dataset", &filter.dataset}, std::pair{"check", &filter.check},
        std::pair{"reason", &filter.reason}}) {
    if (const auto value = body.find(name); value != body.end()) {
      if (!value->is_string()) {
        return std::unexpected(
            problem(400, "bad_request", fmt::format("`{}` has to be a text", name)));
      }
      *to = value->get<std::string>();
    }
  }
  const auto all = body.find("all");
  const bool is_all = all != body.end() && all->is_boolean() && all->get<bool>();
  if (const auto ids = body.find("ids"); ids != body.end()) {
    if (!ids->is_array() || ids->empty()) {
      return std::unexpected(
          problem(400, "bad_request", "`ids` has to be a list of ids", "leave it out for all"));
    }
    for (const auto& id : *ids) {
      filter.ids.insert(id.is_string() ? id.get<std::string>() : "");
    }
  } else if (filter.dataset.empty() && filter.check.empty() && filter.reason.empty() && !is_all) {
    return std::unexpected(problem(400, "bad_request", "it is not said which rows are meant",
                                   "give `ids`, `dataset`, `check` or `reason`, or `all: true`"));
  }
  return filter;
}

/// One page of rows: those that are there, then those that have gone, both the newest first.
class Page {
 public:
  Page(const Watched& watched, const PipelineSpec& spec, KeptFilter filter)
      : watched_(watched), spec_(spec), filter_(std::move(filter)) {}

  std::string status;
  std::string cursor;  ///< the id of the last row of the page before
  std::size_t most = 100;

  Json rows() {
    rows_ = Json::array();
    if (status != "replayed" && status != "discarded" && !cursor.starts_with(kGone)) {
      add_present();
    }
    if (status.empty() || status == "replayed" || status == "discarded") {
      add_gone();
    }
    return std::move(rows_);
  }

 private:
  static constexpr std::string_view kGone = "gone:";

  [[nodiscard]] bool is_full() const { return rows_.size() >= most; }

  void add_present() {
    const auto committed = watched_.host().status().last_batch;
    for (const auto& kept : kept_aside(spec_, filter_)) {
      if (is_full()) {
        return;
      }
      const auto by = watched_.settled().taken_by(kept.id(), committed);
      const std::string_view is = by < 0 ? "open" : "waiting";
      if ((!status.empty() && status != is) || (!cursor.empty() && lies_before(kept, cursor))) {
        continue;
      }
      add_file(kept, is, by);
    }
  }

  void add_file(const KeptAside& kept, std::string_view is, std::int64_t by) {
    // A row that has gone meanwhile can't be gone on from: then the file is told of once more.
    bool is_behind_cursor = cursor.empty() || !cursor.starts_with(kept.id() + ":") ||
                            visit_rows(kept, [&](const auto& row) { return row.id != cursor; });
    const auto at = time_of(watched_, kept.file.batch);
    visit_rows(kept, [&](const KeptRow& row) {
      if (is_behind_cursor && filter_.has(row.id, row.row, kept.check_of(row.row))) {
        auto json = row_json(kept, row, at);
        json["status"] = is;
        if (by >= 0) {
          json["read_by"] = by;
        }
        rows_.push_back(std::move(json));
      }
      is_behind_cursor = is_behind_cursor || row.id == cursor;
      return !is_full();
    });
  }

  /// Their ids are not those that they had: a row may be put aside and discarded again.
  void add_gone() {
    std::set<std::string> present;  // files; what was to be read again may not have been
    for (const auto& kept : kept_aside(spec_, {})) {
      present.insert(kept.id());
    }
    bool is_behind_cursor = !cursor.starts_with(kGone);
    watched_.settled().visit([&](const Json& row) {
      const auto was = row.value("id", "");
      auto id = fmt::format("{}{}:{}", kGone, row.value("number", std::int64_t{0}), was);
      if (is_behind_cursor && is_meant(row, present.contains(was.substr(0, was.rfind(':'))))) {
        rows_.push_back(row);
        rows_.back()["id"] = id;
        rows_.back().erase("number");
      }
      is_behind_cursor = is_behind_cursor || id == cursor;
      return !is_full();
    });
  }

  [[nodiscard]] bool is_meant(const Json& row, bool is_file_there) const {
    const auto is = row.value("status", "");
    const auto contains = [&](const char* field) {
      return row.value(field, "").find(filter_.reason) != std::string::npos;
    };
    return !(is == "replayed" && is_file_there) && (status.empty() || status == is) &&
           (filter_.dataset.empty() || filter_.dataset == row.value("dataset", "")) &&
           (filter_.check.empty() || filter_.check == row.value("check", "")) &&
           (filter_.reason.empty() || contains("reason") || contains("field"));
  }

  const Watched& watched_;
  const PipelineSpec& spec_;
  KeptFilter filter_;
  Json rows_;
};

}  // namespace

std::int64_t rows_in_quarantine(const Watched& watched) {
  const auto spec = watched.host().spec();
  if (!spec) {
    return 0;
  }
  std::int64_t rows = 0;
  for (const auto& kept : kept_aside(*spec, {})) {
    rows += watched.counted().rows(kept.file.path, kept.file.bytes);
  }
  return rows;
}

std::optional<std::string> row_in_quarantine(const Watched& watched, const std::string& dataset,
                                             const std::string& check, std::int64_t up_to) {
  const auto spec = watched.host().spec();
  constexpr int kFiles = 8;  // that are looked into
  int files = 0;
  std::optional<std::string> found;
  for (const auto& kept :
       spec ? kept_aside(*spec, {.dataset = dataset}) : std::vector<KeptAside>()) {
    if (kept.kind != "violating" || kept.file.batch > up_to || ++files > kFiles) {
      continue;
    }
    constexpr int kRows = 1000;
    int rows = 0;
    visit_rows(kept, [&](const KeptRow& row) {
      if (kept.check_of(row.row) == check) {
        found = shown(row.row.raw, SettledRows::kRawMax);
      }
      return !found && ++rows < kRows;
    });
    if (found) {
      break;
    }
  }
  return found;
}

Answer get_quarantine(Watched& watched, const http::Request& request) {
  constexpr std::int64_t kMost = 1000;
  const auto spec = spec_of(watched);
  const auto limit = number_of(request, "limit");
  if (!spec || !limit) {
    return std::unexpected(!spec ? spec.error() : limit.error());
  }
  const auto text = [&](std::string_view name) {
    return std::string(request.parameter(name).value_or(""));
  };
  Page page(watched, **spec,
            {.dataset = text("dataset"), .check = text("check"), .reason = text("reason")});
  page.status = text("status");
  page.cursor = text("cursor");
  page.most = static_cast<std::size_t>(std::clamp<std::int64_t>(limit->value_or(100), 1, kMost));
  if (!page.status.empty() && std::ranges::find(kStatuses, page.status) == kStatuses.end()) {
    return std::unexpected(problem(400, "bad_request", "`status` is none that there is",
                                   "it is one of open, waiting, replayed and discarded"));
  }
  return reply(page.rows());
}

void post_quarantine(Watched& watched, const Json& body, const std::string& by,
                     const std::function<void(Answer)>& done) {
  const auto given = body.find("action");
  const auto action =
      given != body.end() && given->is_string() ? given->get<std::string>() : std::string();
  auto filter = filter_of(body);
  const auto spec = spec_of(watched);
  if (!filter || !spec) {
    return done(std::unexpected(!filter ? filter.error() : spec.error()));
  }
  if (action != "replay" && action != "discard") {
    return done(
        std::unexpected(problem(400, "bad_request", "`action` has to be replay or discard")));
  }
  const auto taken = watched.host().between_batches(
      [&watched, filter = *std::move(filter), spec = *spec, by, done, action](Pipeline* pipeline) {
        if (pipeline == nullptr) {
          return done(std::unexpected(problem(409, "wrong_state", "the pipeline has ended")));
        }
        try {
          done(action == "replay" ? replay(watched, *pipeline, *spec, filter, by)
                                  : discard(watched, *spec, filter, by));
        } catch (const Error& error) {  // what is in quarantine stays there
          done(std::unexpected(problem(500, "quarantine", error.what())));
        }
      });
  if (!taken) {
    done(std::unexpected(
        problem(409, taken.error().code, taken.error().message, taken.error().hint)));
  }
}

}  // namespace millrace::control
