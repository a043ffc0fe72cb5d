// Files that hold the rows of a sink or source: which there are, and which of them matter.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/readable_sink.h"
#include "core/source.h"
#include "serve/lake_files.h"
#include "serve/readable.h"
#include "sql/kept_files.h"

namespace millrace::serve {

/// The list is looked at again when it may have changed, by one thread for all who ask. Rows of a
/// key that is asked for again and again come from memory.
class Lake final : public Readable {
 public:
  /// Lists the files, as of a batch; called by one thread at a time.
  using List = std::function<ReadableFiles(std::int64_t batch)>;
  /// `refresh`: how old a list may be; none: it is of a batch, and new with the next one. `kept`
  /// outlives it; nullptr: no rows are kept in memory.
  Lake(std::string name, Schema schema, std::optional<std::chrono::milliseconds> refresh, List list,
       sql::KeptFiles* kept = nullptr);

  [[nodiscard]] sql::Relation relation() const override;
  [[nodiscard]] bool is_of_batches() const override { return !refresh_; }
  [[nodiscard]] std::optional<std::int64_t> stamp(const sql::LiveSnapshot& of) const override;
  void look(const sql::LiveSnapshot& at) override;
  [[nodiscard]] bool wants_look() override;
  [[nodiscard]] bool look_again() override;
  [[nodiscard]] bool is_named_in(std::string_view error) const override;
  void bring(const QueryRun& run, sql::ReadMoment& into) override;
  [[nodiscard]] std::optional<sql::Relation> kept_relation(
      const sql::ReadQuery& query) const override;
  [[nodiscard]] bool bring_kept(const QueryRun& run, sql::ReadMoment& into) override;

 private:
  struct Listed {
    std::shared_ptr<const LakeFiles> files;  // shared with the list before, if it is the same
    std::string function;
    std::string arguments;
    std::int64_t batch = -1;
    std::chrono::steady_clock::time_point at;
    std::int64_t stamp = 0;
  };
  [[nodiscard]] bool is_soon_old(const Listed& listed) const;
  [[nodiscard]] bool is_current(const Listed& listed, std::int64_t batch) const;
  [[nodiscard]] std::shared_ptr<const Listed> listed() const;
  [[nodiscard]] std::shared_ptr<const Listed> last_listed() const;
  void list(std::int64_t batch);
  [[nodiscard]] sql::KeptTable table(const Listed& listed, std::size_t key) const;

  std::shared_ptr<const Schema> schema_;  // shared with files that are being read into memory
  std::optional<std::chrono::milliseconds> refresh_;
  List list_;
  sql::KeptFiles* kept_;
  std::mutex looking_;                      // one lists, others wait for it
  std::vector<FileScan::File> last_files_;  // as list_ gave them; of who lists
  std::atomic<bool> is_wanted_ = false;     ///< somebody is to look
  mutable std::mutex lock_;
  std::shared_ptr<const Listed> listed_;  // shared with those who read by it
  bool again_ = false;
};

}  // namespace millrace::serve
