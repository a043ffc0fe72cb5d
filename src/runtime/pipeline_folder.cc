#include "runtime/pipeline_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <string_view>

#include "base/files.h"
#include "base/references.h"
#include "spec/control.h"
#include "spec/yaml.h"

namespace millrace {
namespace {

/// Larger ones are data, whatever they are named for.
constexpr std::int64_t kLargestNamed = 1LL << 20;

bool is_small_file(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         status.st_size <= kLargestNamed;
}

/// All that a pipeline is made of, one after the other.
class Ingredients {
 public:
  explicit Ingredients(std::string folder) : folder_(std::move(folder)) {}

  /// `key`: the value stands under it.
  void add(const Node& node, std::string_view key) {
    if (node.is_scalar()) {
      add_scalar(node, key);
    }
    for (const auto& item : node.items) {
      add(item, key);
    }
    for (const auto& entry : node.entries) {
      add(entry.value, entry.key);
    }
  }
  void add(std::string_view text) { text_ += fmt::format("{}:{}", text.size(), text); }

  [[nodiscard]] std::uint64_t hash() const { return std::hash<std::string>{}(text_); }

 private:
  void add_scalar(const Node& scalar, std::string_view key) {
    constexpr std::string_view kFile = "${file:";
    const std::string_view text = scalar.text;
    if (text.starts_with(kFile) && text.ends_with('}')) {
      add_file(std::string(text.substr(kFile.size(), text.size() - kFile.size() - 1)));
      return;
    }
    Diagnostics unheard;  // whoever loads the file hears of mistakes
    const auto value = interpolate(scalar, unheard);
    if (has_reference(text)) {
      add(value.value_or(""));
    }
    // A `path` is that of data: they change all the time.
    if (value && key != "path" && !value->empty() && !value->contains('\n') &&
        value->size() < 4096) {
      add_file(*value);
    }
  }

  void add_file(const std::string& name) {
    const auto path = resolve_path(folder_, name);
    std::string content;
    if (is_small_file(path) && read_file_or_errno(path, content) == 0) {
      add(content);
    }
  }

  std::string folder_;
  std::string text_;
};

bool is_yaml(const std::string& name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
}

}  // namespace

std::optional<FoundPipeline> read_found(const std::string& file, const ConnectorList& connectors) {
  FoundPipeline found{.file = file};
  std::string text;
  if (const int error = read_file_or_errno(file, text); error != 0) {
    found.diagnostics.error({file}, "the file cannot be read: " + errno_text(error));
    return found;
  }
  Diagnostics unheard;
  const auto yaml = parse_yaml(file, text, unheard);
  Ingredients ingredients(folder_of(file));
  ingredients.add(text);
  if (yaml) {
    const auto* name = yaml->root.find("pipeline");
    if (name == nullptr && !unheard.has_errors()) {
      return std::nullopt;
    }
    found.name = name != nullptr && name->is_scalar()
                     ? interpolate(*name, unheard).value_or(std::string())
                     : std::string();
    ingredients.add(yaml->root, "");
  }
  found.version = ingredients.hash();
  try {
    found.spec = load_pipeline(file, connectors, found.diagnostics);
  } catch (const Error& error) {  // the others have nothing to do with it
    found.diagnostics.error({file}, error.what());
  }
  if (found.diagnostics.has_errors()) {
    found.spec.reset();
  } else if (found.spec) {
    found.name = found.spec->name;
  }
  return found;
}

FolderScan scan_folder(const std::string& folder, const ConnectorList& connectors) {
  if (!is_folder(folder)) {
    throw Error(Blame::user, exists(folder)
                                 ? fmt::format("`{}` is not a folder; name the one that the "
                                               "pipeline files are in",
                                               folder)
                                 : fmt::format("there is no folder `{}`", folder));
  }
  FolderScan scan;
  for (const auto& name : list_folder(folder)) {
    const auto path = folder == "." ? name : resolve_path(folder, name);
    if (!is_yaml(name) || is_folder(path)) {
      continue;
    }
    if (auto found = read_found(path, connectors)) {
      scan.pipelines.push_back(*std::move(found));
    } else if (name != kFolderFile) {
      scan.notes.push_back(
          fmt::format("{} is left out: it has no `pipeline:` at its top, so it is none", path));
    }
  }
  return scan;
}

}  // namespace millrace
