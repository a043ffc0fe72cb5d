#include "connectors/kafka/registry_http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::kafka {

namespace {

constexpr int kRedirectsMax = 3;

struct FreeUrl {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

/// The bytes of an answer while they come in.
struct Incoming {
  std::string bytes;
  bool is_too_large = false;
  std::stop_token stop;
};

std::size_t on_bytes(const char* bytes, std::size_t /*one*/, std::size_t count, void* incoming) {
  auto& to = *static_cast<Incoming*>(incoming);
  to.is_too_large = count > kAnswerBytesMax - to.bytes.size();
  if (to.is_too_large) {
    return 0;
  }
  to.bytes.append(bytes, count);
  return count;
}

int on_progress(const void* incoming, curl_off_t /*to_come*/, curl_off_t /*came*/,
                curl_off_t /*to_go*/, curl_off_t /*went*/) {
  return static_cast<const Incoming*>(incoming)->stop.stop_requested() ? 1 : 0;
}

template <class Value>
void set(CURL* curl, CURLoption option, Value value) {
  if (const CURLcode code = curl_easy_setopt(curl, option, value); code != CURLE_OK) {
    throw Error(Blame::internal, fmt::format("libcurl's option {}: {}", static_cast<int>(option),
                                             curl_easy_strerror(code)));
  }
}

Url parse_url(const std::string& text) {
  Url url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    url.reset();
  }
  return url;
}

std::string part_of(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) {
    return "";
  }
  std::string result = text;
  curl_free(text);
  return result;
}

/// The URL of an option, without slashes at its end. Messages don't show it: it may hold a
/// password by mistake.
std::string checked_url(const std::string& text, std::size_t number) {
  const std::string what = fmt::format("schema registry: URL number {}", number);
  const Url url = parse_url(text);
  const std::string scheme = url ? part_of(url, CURLUPART_SCHEME) : "";
  if (scheme != "http" && scheme != "https") {
    throw Error(Blame::user, what + " is none; it has to be like http://host:8081");
  }
  if (!part_of(url, CURLUPART_USER).empty() || !part_of(url, CURLUPART_PASSWORD).empty()) {
    throw Error(Blame::user, what + " says who we are; use `username` and `password` for that");
  }
  if (text.contains('?') || text.contains('#')) {
    throw Error(Blame::user, what + " has a part behind `?` or `#`, which a registry's can't have");
  }
  return text.substr(0, text.find_last_not_of('/') + 1);
}

/// Where a redirect leads, which is the same server, or the same host with TLS: others must not see
/// our password, nor answer in its place.
std::string checked_redirect(const std::string& from, const std::string& to) {
  const Url here = parse_url(from);
  const Url there = parse_url(to);
  if (!there || !part_of(there, CURLUPART_USER).empty()) {
    throw Error(Blame::external, from + ": redirects to what is no URL for us");
  }
  const auto same = [&](CURLUPart part) {
    return equal_ignoring_case(part_of(here, part), part_of(there, part));
  };
  const bool gets_tls =
      part_of(here, CURLUPART_SCHEME) == "http" && part_of(there, CURLUPART_SCHEME) == "https";
  if (!same(CURLUPART_HOST) || !(gets_tls || (same(CURLUPART_SCHEME) && same(CURLUPART_PORT)))) {
    throw Error(Blame::user,
                fmt::format("{}: redirects to another server, {}://{}:{}; if that is the registry, "
                            "give its URL",
                            from, part_of(there, CURLUPART_SCHEME), part_of(there, CURLUPART_HOST),
                            part_of(there, CURLUPART_PORT)));
  }
  return to;
}

/// Throws for what does not pass by itself.
void throw_if_lasting(CURLcode code, const std::string& text) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      throw Error(Blame::user, text +
                                   "; if this server is to be trusted, name the file with the "
                                   "certificate of its authority in `tls_ca`");
    case CURLE_SSL_CACERT_BADFILE:
      throw Error(Blame::user, text + "; check `tls_ca`");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      throw Error(Blame::user, text + "; is this the URL of a schema registry?");
    case CURLE_URL_MALFORMAT:
      throw Error(Blame::external, text);
    case CURLE_ABORTED_BY_CALLBACK:
      throw Stopped();
    default:
      break;
  }
}

/// Throws if the registry does not let us in. True: another answer may come later.
bool is_passing(const RegistryAnswer& answer, bool has_username) {
  if (answer.status == 401 || answer.status == 403) {
    throw Error(Blame::user,
                fmt::format("{}; {}", answer.text(),
                            has_username ? "check `username` and `password` of the registry, and "
                                           "what this user may do"
                                         : "set `username` and `password` of the registry"));
  }
  return answer.status == 408 || answer.status == 429 || answer.status >= 500;
}

}  // namespace

void RegistryHttp::Free::operator()(void* curl) const noexcept { curl_easy_cleanup(curl); }

void RegistryHttp::FreeList::operator()(void* list) const noexcept {
  curl_slist_free_all(static_cast<curl_slist*>(list));
}

RegistryHttp::RegistryHttp(RegistryOptions options)
    : options_(std::move(options)), curl_(curl_easy_init()) {
  if (options_.urls.empty()) {
    throw Error(Blame::user, "schema registry: no URL");
  }
  for (std::size_t i = 0; i < options_.urls.size(); i++) {
    options_.urls[i] = checked_url(options_.urls[i], i + 1);
  }
  set_up();
}

void RegistryHttp::set_up() {
  for (const char* header : {"Accept: application/vnd.schemaregistry.v1+json, application/json",
                             "Content-Type: application/vnd.schemaregistry.v1+json", "Expect:"}) {
    auto* before = static_cast<curl_slist*>(headers_.release());
    auto* list = curl_slist_append(before, header);
    headers_.reset(list == nullptr ? before : list);
    if (list == nullptr) {
      throw std::bad_alloc();
    }
  }
  CURL* curl = curl_.get();
  set(curl, CURLOPT_HTTPHEADER, headers_.get());
  set(curl, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  set(curl, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  set(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(curl, CURLOPT_PATH_AS_IS, 1L);  // a subject may be called `..`
  set(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  set(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  set(curl, CURLOPT_USERAGENT, "millrace");
  set(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.request_timeout.count()));
  set(curl, CURLOPT_WRITEFUNCTION, &on_bytes);
  set(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(curl, CURLOPT_NOPROGRESS, 0L);
  if (!options_.tls_ca.empty()) {
    set(curl, CURLOPT_CAINFO, options_.tls_ca.c_str());
  }
  if (!options_.username.empty()) {
    set(curl, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(curl, CURLOPT_USERNAME, options_.username.c_str());
    set(curl, CURLOPT_PASSWORD, options_.password.reveal().c_str());
  }
}

RegistryAnswer RegistryHttp::send(const std::string& path, const std::optional<std::string>& body,
                                  const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  for (auto delay = options_.retry_first;; delay = std::min(delay * 2, options_.retry_most)) {
    std::string trouble;
    const std::size_t first = good_;
    for (std::size_t i = 0; i < options_.urls.size(); i++) {
      if (stop.stop_requested()) {
        throw Stopped();
      }
      const std::size_t which = (first + i) % options_.urls.size();
      if (auto answer = attempt(options_.urls[which] + path, body, stop, trouble)) {
        good_ = which;
        note_over();
        return *std::move(answer);
      }
    }
    note(trouble);
    // Others may try meanwhile.
    waiting_.wait_for(guard, stop, delay, [] { return false; });
  }
}

std::optional<RegistryAnswer> RegistryHttp::attempt(std::string url,
                                                    const std::optional<std::string>& body,
                                                    const std::stop_token& stop,
                                                    std::string& trouble) {
  for (int redirects = 0;; redirects++) {
    auto answer = ask(url, body, stop, trouble);
    const char* target = nullptr;
    if (answer) {
      curl_easy_getinfo(curl_.get(), CURLINFO_REDIRECT_URL, &target);
    }
    if (target == nullptr) {
      return answer;
    }
    if (redirects == kRedirectsMax) {
      throw Error(Blame::external,
                  fmt::format("{}: redirected more than {} times", url, kRedirectsMax));
    }
    url = checked_redirect(url, target);
  }
}

/// nullopt: no answer yet, with what is wrong in `trouble`.
std::optional<RegistryAnswer> RegistryHttp::ask(const std::string& url,
                                                const std::optional<std::string>& body,
                                                const std::stop_token& stop, std::string& trouble) {
  std::array<char, CURL_ERROR_SIZE> error{};
  Incoming incoming{.bytes = {}, .stop = stop};
  CURL* curl = curl_.get();
  set(curl, CURLOPT_ERRORBUFFER, error.data());
  set(curl, CURLOPT_WRITEDATA, &incoming);
  set(curl, CURLOPT_XFERINFODATA, &incoming);
  set(curl, CURLOPT_URL, url.c_str());
  if (body) {
    set(curl, CURLOPT_POST, 1L);
    set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    set(curl, CURLOPT_POSTFIELDS, body->c_str());
  } else {
    set(curl, CURLOPT_HTTPGET, 1L);
  }
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (incoming.is_too_large) {
    throw Error(Blame::external,
                fmt::format("{}: an answer of more than {}", url, human_bytes(kAnswerBytesMax)));
  }
  if (code != CURLE_OK) {
    trouble =
        fmt::format("{}: {}", url, error[0] != '\0' ? error.data() : curl_easy_strerror(code));
    throw_if_lasting(code, trouble);
    return std::nullopt;
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  RegistryAnswer answer = parse_answer(status, incoming.bytes, url);
  if (is_passing(answer, !options_.username.empty())) {
    trouble = answer.text();
    return std::nullopt;
  }
  return answer;
}

void RegistryHttp::note(const std::string& trouble) {
  if (!std::exchange(in_trouble_, true)) {
    Log().warn("schema registry: {}; going on trying", trouble);
  }
}

void RegistryHttp::note_over() {
  if (std::exchange(in_trouble_, false)) {
    Log().info("the schema registry answers again");
  }
}

}  // namespace millrace::kafka
