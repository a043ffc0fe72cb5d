#include "spec/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <map>
#include <sstream>
#include <utility>

#include "base/strings.h"

namespace millrace {
namespace {

constexpr std::size_t kLargestFile = 1024UL * 1024;
constexpr std::size_t kDeepest = 64;
// Aliases repeat what they stand for; ten lines of them can ask for a billion values.
constexpr std::size_t kMostNodes = 100'000;

/// In `{ password: ${env:NAME} }` YAML takes the inner braces for its own. So what means something
/// to YAML is replaced inside of references, byte for byte, by bytes that UTF-8 cannot hold, and
/// put back in each value.
constexpr std::pair<char, char> kStandIns[] = {{'{', '\xF8'}, {'}', '\xF9'}, {',', '\xFA'},
                                               {'[', '\xFB'}, {']', '\xFC'}, {'#', '\xFD'},
                                               {':', '\xFE'}};

std::string hide_references(std::string text) {
  for (std::size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at + 2)) {
    const std::size_t end = text.find_first_of("{}\"'\n", at + 2);
    if (end == std::string::npos || text[end] != '}') {
      continue;
    }
    for (std::size_t i = at + 1; i <= end; ++i) {
      for (const auto& [original, stand_in] : kStandIns) {
        text[i] = text[i] == original ? stand_in : text[i];
      }
    }
  }
  return text;
}

std::string show_references(std::string text) {
  for (char& c : text) {
    for (const auto& [original, stand_in] : kStandIns) {
      c = c == stand_in ? original : c;
    }
  }
  return text;
}

/// Ends the reading of a file.
struct YamlMistake : std::exception {
  YamlMistake(Location where, std::string what_is_wrong, std::string way_out)
      : at(std::move(where)), message(std::move(what_is_wrong)), hint(std::move(way_out)) {}
  Location at;
  std::string message;
  std::string hint;
};

std::size_t count_nodes(const Node& node) {
  std::size_t count = 1;
  for (const Node& item : node.items) {
    count += count_nodes(item);
  }
  for (const Node::Entry& entry : node.entries) {
    count += count_nodes(entry.value);
  }
  return count;
}

/// Builds a Node from the events of yaml-cpp's parser.
class NodeBuilder final : public YAML::EventHandler {
 public:
  NodeBuilder(const std::string& text, const LineIndex& lines, Diagnostics& diagnostics)
      : text_(text), lines_(lines), diagnostics_(diagnostics) {}

  [[nodiscard]] Node take() { return std::move(root_); }
  /// The innermost list or mapping that is not at its end.
  [[nodiscard]] std::optional<Location> innermost() const {
    return open_.empty() ? std::nullopt : std::optional(open_.back().node.at);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      throw YamlMistake{place(mark), "a second document begins here",
                        "a pipeline file holds one; remove the `---`"};
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    // Where nothing stands, yaml-cpp tells the place of what comes next.
    const bool after_key = !open_.empty() && open_.back().key.has_value();
    node.at = after_key ? open_.back().key->at : place(mark);
    finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) {
      throw YamlMistake{place(mark), "an anchor cannot stand for a value that holds it", ""};
    }
    count(count_nodes(known->second), place(mark));
    add(known->second, false);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.kind = Node::Kind::scalar;
    node.at = place(mark);
    check_quotes(static_cast<std::size_t>(std::max(mark.pos, 0)), node.at);
    node.text = show_references(value);
    // yaml-cpp's tag of a plain scalar is "?", of a quoted one or a block "!".
    node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!node.quoted && tag != "?" && !tag.empty() && !tag.starts_with("tag:yaml.org,2002:")) {
      refuse_tag(tag, node.at);
    }
    finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    start(Node::Kind::sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    start(Node::Kind::mapping, mark, tag, anchor);
  }
  void OnMapEnd() override {
    for (const Node& merged : open_.back().merged) {
      merge(merged, open_.back().node);
    }
    end();
  }

 private:
  struct Key {
    std::string text;
    Location at;
    bool merge = false;
  };
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    std::optional<Key> key;    ///< of a mapping: read, and its value is not
    std::vector<Node> merged;  ///< values of `<<`
  };

  [[nodiscard]] Location place(const YAML::Mark& mark) const {
    return lines_.locate(text_, static_cast<std::size_t>(std::max(mark.pos, 0)));
  }

  /// yaml-cpp takes the end of the file for the closing quote.
  void check_quotes(std::size_t begin, const Location& at) const {
    const char quote = begin < text_.size() ? text_[begin] : ' ';
    if (quote != '"' && quote != '\'') {
      return;
    }
    for (std::size_t i = begin + 1; i < text_.size(); ++i) {
      if (quote == '"' && text_[i] == '\\') {
        ++i;
      } else if (text_[i] == quote) {
        return;  // a doubled one needs no care: another one follows, or this is the last
      }
    }
    throw YamlMistake{at, "this quote is not closed", "add the missing one"};
  }

  [[noreturn]] static void refuse_tag(const std::string& tag, const Location& at) {
    throw YamlMistake{at, fmt::format("the tag `{}` is not known", tag), "remove it"};
  }

  void count(std::size_t more, const Location& at) {
    nodes_ += more;
    if (nodes_ > kMostNodes) {
      throw YamlMistake{at,
                        fmt::format("the file holds more than {} values",
                                    human_count(static_cast<std::int64_t>(kMostNodes))),
                        "aliases may repeat too much"};
    }
  }

  void start(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
             YAML::anchor_t anchor) {
    Open open;
    open.node.kind = kind;
    open.node.at = place(mark);
    open.anchor = anchor;
    if (!tag.empty() && tag != "?" && tag != "!" && !tag.starts_with("tag:yaml.org,2002:")) {
      refuse_tag(tag, open.node.at);
    }
    if (open_.size() >= kDeepest) {
      throw YamlMistake{open.node.at,
                        fmt::format("more than {} levels inside of each other", kDeepest), ""};
    }
    open_.push_back(std::move(open));
  }

  void end() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    finish(std::move(closed.node), closed.anchor);
  }

  void finish(Node node, YAML::anchor_t anchor) {
    count(1, node.at);
    if (anchor != 0) {
      anchors_[anchor] = node;
    }
    add(std::move(node), true);
  }

  /// Puts a value where it belongs. `written`: it stands here, and not only an alias of it.
  void add(Node node, bool written) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& open = open_.back();
    if (open.node.kind == Node::Kind::sequence) {
      open.node.items.push_back(std::move(node));
    } else if (!open.key) {
      if (!node.is_scalar()) {
        throw YamlMistake{node.at, "a key must be a single word or text", ""};
      }
      open.key = Key{node.text, node.at, written && node.text == "<<" && !node.quoted};
    } else {
      const Key key = *std::exchange(open.key, std::nullopt);
      if (key.merge) {
        open.merged.push_back(std::move(node));
      } else {
        add_entry(open.node, key, std::move(node));
      }
    }
  }

  void add_entry(Node& mapping, const Key& key, Node value) {
    const auto first = std::ranges::find(mapping.entries, key.text, &Node::Entry::key);
    if (first != mapping.entries.end()) {
      diagnostics_.error(key.at, fmt::format("`{}` is given twice", key.text),
                         fmt::format("it stands on line {} already", first->at.line));
      return;
    }
    mapping.entries.push_back({key.text, key.at, std::move(value)});
  }

  /// YAML's merge key: what is given beside it goes before what is merged.
  static void merge(const Node& from, Node& into) {
    if (from.is_sequence()) {
      for (const Node& item : from.items) {
        merge(item, into);
      }
      return;
    }
    if (!from.is_mapping()) {
      throw YamlMistake{from.at, "`<<` must be given a mapping or a list of them", ""};
    }
    for (const Node::Entry& entry : from.entries) {
      if (into.find(entry.key) == nullptr) {
        into.entries.push_back(entry);
      }
    }
  }

  const std::string& text_;
  const LineIndex& lines_;
  Diagnostics& diagnostics_;
  Node root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

/// Where the line of an offset is indented by a tab; nullopt if it is not.
std::optional<std::size_t> find_indenting_tab(std::string_view text, std::size_t offset) {
  const std::size_t before = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
  const std::size_t first = std::min(text.find_first_not_of(" \t", start), text.size());
  const std::size_t tab = text.find('\t', start);
  return tab < first ? std::optional(tab) : std::nullopt;
}

/// yaml-cpp's words for the mistakes that people make, in words that help them.
YamlMistake explain(const YAML::ParserException& problem, const std::string& text,
                    const LineIndex& lines, const std::optional<Location>& innermost) {
  const std::size_t offset =
      std::min(static_cast<std::size_t>(std::max(problem.mark.pos, 0)), text.size());
  const Location at = lines.locate(text, offset);
  if (const auto tab = find_indenting_tab(text, offset)) {
    return {lines.locate(text, *tab), "a tab cannot be used to indent", "use spaces"};
  }
  const std::string& message = problem.msg;
  if (message == "illegal map value") {
    return {at, "a `:` is not expected here",
            "put a text that holds `: ` in quotes, and check the indentation"};
  }
  if (message == "end of map not found" || message == "end of sequence not found") {
    return {at, "this line does not fit to the ones above it", "check its indentation"};
  }
  if (message == "end of map flow not found") {
    return {innermost.value_or(at), "this `{` is not closed", "add the missing `}` or `,`"};
  }
  if (message == "end of sequence flow not found") {
    return {innermost.value_or(at), "this `[` is not closed", "add the missing `]` or `,`"};
  }
  if (message == "the referenced anchor is not defined") {
    return {at, "no anchor of this name stands above", "put a text that begins with `*` in quotes"};
  }
  if (message == "unknown token" && offset < text.size()) {
    return {at, fmt::format("a value cannot begin with `{}`", text[offset]),
            "put the value in quotes"};
  }
  return {at, "this is not valid YAML: " + message, ""};
}

/// Reports what makes a text unreadable as a whole.
bool check_text(const std::string& text, const LineIndex& lines, const std::string& file,
                Diagnostics& diagnostics) {
  if (text.size() > kLargestFile) {
    diagnostics.error({file}, fmt::format("the file is too large: {}, of at most {}",
                                          human_bytes(static_cast<std::int64_t>(text.size())),
                                          bytes_text(kLargestFile)));
    return false;
  }
  if (const auto bad = find_invalid_utf8(text)) {
    diagnostics.error(lines.locate(text, *bad), "the file is not in UTF-8",
                      "save it in that encoding");
    return false;
  }
  const auto control = std::ranges::find_if(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7F;
  });
  if (control != text.end()) {
    diagnostics.error(lines.locate(text, static_cast<std::size_t>(control - text.begin())),
                      fmt::format("a control character (0x{:02x}) cannot stand in YAML",
                                  static_cast<unsigned char>(*control)),
                      "remove it, or write it as an escape in double quotes");
    return false;
  }
  return true;
}

std::string normalised(std::string text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) {
    text.erase(0, kByteOrderMark.size());
  }
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') {
      result += text[i];
    }
  }
  return result;
}

}  // namespace

LineIndex::LineIndex(std::string file, std::string_view text) : file_(std::move(file)), starts_{0} {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') {
      starts_.push_back(i + 1);
    }
  }
}

Location LineIndex::locate(std::string_view text, std::size_t offset) const {
  offset = std::min(offset, text.size());
  const auto after = std::ranges::upper_bound(starts_, offset);
  const std::size_t start = *std::prev(after);
  const auto characters = std::ranges::count_if(text.substr(start, offset - start), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80;
  });
  return {file_, static_cast<int>(after - starts_.begin()), static_cast<int>(characters) + 1};
}

std::size_t LineIndex::offset_of(std::string_view text, const Location& at) const {
  if (at.line < 1 || static_cast<std::size_t>(at.line) > starts_.size()) {
    return text.size();
  }
  std::size_t offset = starts_[static_cast<std::size_t>(at.line) - 1];
  for (int column = 1; column < at.column && offset < text.size(); ++column) {
    ++offset;
    while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0U) == 0x80) {
      ++offset;
    }
  }
  return offset;
}

std::optional<YamlFile> parse_yaml(const std::string& file, std::string content,
                                   Diagnostics& diagnostics) {
  std::string text = normalised(std::move(content));
  LineIndex lines(file, text);
  if (!check_text(text, lines, file, diagnostics)) {
    return std::nullopt;
  }
  NodeBuilder builder(text, lines, diagnostics);
  std::istringstream stream(hide_references(text));
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::ParserException& problem) {
    const YamlMistake mistake = explain(problem, text, lines, builder.innermost());
    diagnostics.error(mistake.at, mistake.message, mistake.hint);
    return std::nullopt;
  } catch (const YamlMistake& mistake) {
    diagnostics.error(mistake.at, mistake.message, mistake.hint);
    return std::nullopt;
  }
  Node root = builder.take();
  return YamlFile{std::move(text), std::move(lines), std::move(root)};
}

}  // namespace millrace
