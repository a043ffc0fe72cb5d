// Alerts as HTTP requests.
#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "connectors/http_client.h"
#include "control/alerts/receiver.h"

namespace millrace::control {
namespace {

constexpr std::chrono::milliseconds kPauseMax{600'000};
constexpr std::size_t kExcerpt = 200;

class Webhook final : public AlertReceiver {
 public:
  explicit Webhook(const WebhookSpec& spec)
      : spec_(spec),
        client_({.ca_file = spec.ca_file,
                 .connect_timeout = std::min(spec.timeout, std::chrono::milliseconds(5'000)),
                 .stall_timeout = spec.timeout,
                 .total_timeout = spec.timeout,
                 .at_once = 1}) {}

  std::optional<Trouble> send(const AlertNotice& notice, std::int64_t /*number*/,
                              const std::stop_token& stop) override {
    const OrderedJson json =
        spec_.body ? spec_.body->fill([&](auto word) { return notice.word(word); }) : notice.json();
    const std::string body = json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
    const auto answer = client_.send(
        {.method = "POST", .url = spec_.url.reveal(), .headers = headers_of(notice), .body = body},
        stop);
    if (!answer) {
      return Trouble{.text = fmt::format("{}: {}", spec_.shown, hidden(answer.error().text))};
    }
    return answer->is_good() ? std::nullopt : std::optional(trouble_of(*answer));
  }

 private:
  [[nodiscard]] std::vector<std::string> headers_of(const AlertNotice& notice) const {
    std::vector<std::string> headers;
    headers.reserve(spec_.headers.size() + 2);
    const bool says_type = std::ranges::any_of(spec_.headers, [](const auto& header) {
      return equal_ignoring_case(header.first, "content-type");
    });
    if (!says_type) {
      headers.emplace_back("Content-Type: application/json");
    }
    headers.push_back("Idempotency-Key: " + notice.id);
    for (const auto& [name, value] : spec_.headers) {
      // Of an empty value libcurl would leave the header out.
      headers.push_back(value.empty() ? name + ";" : name + ": " + value.reveal());
    }
    return headers;
  }

  /// What may pass is tried again; an answer that the request is wrong will not change.
  [[nodiscard]] Trouble trouble_of(const HttpAnswer& answer) const {
    constexpr long kTimeout = 408;
    constexpr long kTooEarly = 425;
    constexpr long kTooMany = 429;
    const long status = answer.status;
    const bool redirects = status >= 300 && status < 400;
    Trouble trouble{.text = fmt::format("{} answers {}", spec_.shown, status)};
    if (redirects) {
      trouble.text += ", a redirect, which is not followed; give the URL that it leads to";
    } else if (!answer.body.empty()) {
      trouble.text += ": " + hidden(excerpt(trim(answer.body), kExcerpt));
    }
    trouble.is_lasting =
        status < 500 && status != kTimeout && status != kTooEarly && status != kTooMany;
    if (const auto seconds = parse_integer(answer.header("retry-after"));
        seconds && *seconds >= 0) {
      trouble.pause = std::min(
          kPauseMax, std::chrono::milliseconds(std::min<std::int64_t>(*seconds, 86'400) * 1000));
    }
    return trouble;
  }

  /// A text of somebody else, in which our secrets may come back.
  [[nodiscard]] std::string hidden(std::string text) const {
    const auto hide = [&](const std::string& secret) {
      for (auto at = text.find(secret); !secret.empty() && at != std::string::npos;
           at = text.find(secret, at)) {
        text.replace(at, secret.size(), "***");
        at += 3;
      }
    };
    hide(spec_.url.reveal());
    for (const auto& [name, value] : spec_.headers) {
      hide(value.reveal());
      // "Bearer abc": what is secret may come back alone.
      hide(value.reveal().substr(value.reveal().rfind(' ') + 1));
    }
    return text;
  }

  const WebhookSpec& spec_;
  HttpClient client_;
};

}  // namespace

std::unique_ptr<AlertReceiver> make_webhook_receiver(const WebhookSpec& spec) {
  return std::make_unique<Webhook>(spec);
}

}  // namespace millrace::control
