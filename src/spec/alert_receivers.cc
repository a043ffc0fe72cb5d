#include "spec/alert_receivers.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/files.h"
#include "base/references.h"
#include "base/strings.h"
#include "spec/alert_tables.h"

namespace millrace {
namespace {

constexpr std::size_t kReceiversMax = 32;

/// Headers whose values let somebody in.
bool is_secret_header(std::string_view name) {
  constexpr std::array<std::string_view, 7> kSecret = {
      "authorization", "cookie", "token", "secret", "api-key", "password", "apikey"};
  const std::string lower = to_lower(name);
  return std::ranges::any_of(kSecret, [&](std::string_view part) { return lower.contains(part); });
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return c > ' ' && c < 0x7F &&
           std::string_view(R"("(),/:;<=>?@[\]{})").find(c) == std::string_view::npos;
  });
}

/// The scheme and host of a URL; nullopt: it is none of HTTP.
std::optional<std::string> shown_url(std::string_view url) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (url.starts_with(scheme)) {
      const auto host =
          url.substr(scheme.size(), url.find_first_of("/?#", scheme.size()) - scheme.size());
      const bool good =
          !host.empty() && !host.contains('@') && !url.contains(' ') && !has_control(url);
      return good ? std::optional(std::string(scheme) + std::string(host)) : std::nullopt;
    }
  }
  return std::nullopt;
}

/// Reads `receivers:`. One use each.
class ReceiversReader {
 public:
  ReceiversReader(const std::string& file, Connections& connections,
                  std::vector<std::string>& declared, Diagnostics& diagnostics)
      : file_(file), connections_(connections), declared_(declared), diagnostics_(diagnostics) {}

  std::vector<AlertReceiverSpec> read(const Node& section, const Location& alerts_at) {
    if (section.is_scalar() || section.is_sequence()) {
      diagnostics_.error(section.at, "`receivers` must be a mapping of names",
                         "for example `receivers: { ops: { type: webhook, url: ... } }`");
    }
    for (const Node::Entry& entry : section.entries) {
      declared_.push_back(entry.key);
      if (!is_identifier(entry.key)) {
        diagnostics_.error(entry.at, fmt::format("`{}` cannot be the name of a receiver: letters, "
                                                 "digits and `_`, not beginning with a digit",
                                                 entry.key));
      }
      read_receiver(entry);
    }
    if (declared_.size() > kReceiversMax) {
      diagnostics_.error(section.at,
                         fmt::format("{} receivers are more than the {} that there may be",
                                     declared_.size(), kReceiversMax));
    }
    if (std::ranges::find(declared_, "log") == declared_.end()) {
      declared_.emplace_back("log");
      receivers_.push_back({.name = "log", .at = alerts_at});
    }
    return std::move(receivers_);
  }

 private:
  void read_receiver(const Node::Entry& entry) {
    const std::string what = fmt::format("receiver `{}`", entry.key);
    const Node* to = entry.value.find("to");
    const Node* type = entry.value.find("type");
    if (!entry.value.is_mapping() || (to == nullptr) == (type == nullptr)) {
      diagnostics_.error(entry.value.at,
                         fmt::format("{} must be a mapping with either `type` or `to`", what),
                         fmt::format("for example `{}: {{ type: webhook, url: ... }}`", entry.key));
      return;
    }
    const auto table = receiver_table();
    SplitNode parts = split_mapping(entry.value, table.names());
    ReceiverOptions options;
    const bool good = table.parse(parts.own, diagnostics_, options, what);
    AlertReceiverSpec receiver{.name = entry.key, .at = entry.at};
    receiver.send_resolved = options.send_resolved;
    receiver.retry_for = options.retry_for;
    if (to != nullptr) {
      receiver.kind = AlertReceiverSpec::Kind::sink;
      read_target(*to, parts.rest, what, receiver);
    } else if (good && options.type == ReceiverType::webhook) {
      receiver.kind = AlertReceiverSpec::Kind::webhook;
      read_webhook(parts.rest, what, receiver.webhook);
    } else if (good) {
      for (const Node::Entry& each : parts.rest.entries) {
        diagnostics_.error(each.at, fmt::format("{} is the log, which has no `{}`", what, each.key),
                           "remove it");
      }
    }
    receivers_.push_back(std::move(receiver));
  }

  void read_target(const Node& to, Node& rest, const std::string& what,
                   AlertReceiverSpec& receiver) {
    const auto endpoint = connections_.resolve(to, "to", what);
    if (!endpoint) {
      return;
    }
    const Connector& connector = *endpoint->connector;
    if (connector.sink_options() == nullptr || connector.type() == "store") {
      // The embedded store can be open once in a process, and that is the pipeline's.
      diagnostics_.error(to.at, fmt::format("{} cannot write to {}", what, connector.type()),
                         "a system that rows are appended to can be told, such as kafka or files");
      return;
    }
    remove_unknown_options(rest, connector.sink_options(), receiver_table().names(),
                           connector.connection_options(), fmt::format("sink {}", connector.type()),
                           diagnostics_);
    const auto known = connector.sink_options()->names();
    if (rest.find("format") == nullptr && std::ranges::find(known, "format") != known.end()) {
      Node json{.kind = Node::Kind::scalar, .at = to.at, .text = "json"};
      rest.entries.push_back({"format", to.at, std::move(json)});
    }
    receiver.connector = connector.type();
    receiver.connection = endpoint->connection;
    receiver.options = std::move(rest);
  }

  void read_webhook(const Node& node, const std::string& what, WebhookSpec& webhook) {
    WebhookOptions options;
    if (!webhook_table().parse(node, diagnostics_, options, what)) {
      return;
    }
    webhook.timeout = options.timeout;
    if (!options.ca_file.empty()) {
      webhook.ca_file = resolve_path(absolute_path(folder_of(file_)), options.ca_file);
      std::string content;
      if (const int error = read_file_or_errno(webhook.ca_file, content); error != 0) {
        diagnostics_.error(node.find("ca_file")->at,
                           fmt::format("`ca_file` of {}: cannot read `{}`: {}", what,
                                       webhook.ca_file, errno_text(error)));
      }
    }
    if (auto url = secret_text(options.url, "url", what)) {
      const auto shown = shown_url(url->reveal());
      if (!shown) {  // the URL itself may hold a token
        diagnostics_.error(options.url.at,
                           fmt::format("`url` of {} is no URL that can be asked", what),
                           "it has to be like https://hooks.example.com/x, without a user");
      }
      webhook.shown = shown.value_or("");
      webhook.url = std::move(*url);
    }
    read_headers(options.headers, what, webhook);
    if (options.body.at.line == 0) {
      return;
    }
    if (!options.body.is_mapping() && !options.body.is_sequence()) {
      diagnostics_.error(options.body.at,
                         fmt::format("`body` of {} must be JSON: a mapping or a "
                                     "list",
                                     what),
                         "for example `body: { text: '$message' }`");
      return;
    }
    webhook.body =
        BodyTemplate::read(options.body, fmt::format("`body` of {}", what), diagnostics_);
  }

  void read_headers(const Node& node, const std::string& what, WebhookSpec& webhook) {
    if (node.is_scalar() || node.is_sequence()) {
      diagnostics_.error(node.at, fmt::format("`headers` of {} must be a mapping of texts", what));
    }
    webhook.headers.reserve(node.entries.size());
    for (const Node::Entry& entry : node.entries) {
      if (!is_header_name(entry.key)) {
        diagnostics_.error(entry.at,
                           fmt::format("`{}` of {} is not the name of a header", entry.key, what));
        continue;
      }
      if (is_secret_header(entry.key) && !has_reference(entry.value.text)) {
        diagnostics_.error(
            entry.value.at,
            fmt::format("the header `{}` of {} must not be written into the file", entry.key, what),
            "write `${env:NAME}` or `${file:PATH}` in the place of what is secret");
        continue;
      }
      auto value = secret_text(entry.value, entry.key, what);
      if (value && has_control(value->reveal())) {
        diagnostics_.error(entry.value.at,
                           fmt::format("the header `{}` of {} has a line end, or another control "
                                       "character",
                                       entry.key, what));
      } else if (value) {
        webhook.headers.emplace_back(entry.key, std::move(*value));
      }
    }
  }

  /// A text that may be a secret, or hold one.
  std::optional<Secret> secret_text(const Node& node, const std::string& name,
                                    const std::string& what) {
    if (!node.is_scalar()) {
      diagnostics_.error(node.at, fmt::format("`{}` of {} must be a text", name, what));
      return std::nullopt;
    }
    if (node.text.starts_with("${file:")) {
      OptionInfo info;
      info.name = name;
      info.kind = OptionKind::secret;
      Secret secret;
      const bool good = options::read({node, info, what, diagnostics_}, secret);
      return good ? std::optional(std::move(secret)) : std::nullopt;
    }
    auto text = interpolate(node, diagnostics_);
    return text ? std::optional(Secret(std::move(*text))) : std::nullopt;
  }

  const std::string& file_;
  Connections& connections_;
  std::vector<std::string>& declared_;
  Diagnostics& diagnostics_;
  std::vector<AlertReceiverSpec> receivers_;
};

}  // namespace

std::vector<AlertReceiverSpec> read_receivers(const Node& section, const Location& alerts_at,
                                              const std::string& file, Connections& connections,
                                              std::vector<std::string>& declared,
                                              Diagnostics& diagnostics) {
  return ReceiversReader(file, connections, declared, diagnostics).read(section, alerts_at);
}

}  // namespace millrace
