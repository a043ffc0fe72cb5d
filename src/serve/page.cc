#include "serve/page.h"

#include <fmt/format.h>

#include <string_view>

namespace millrace::serve {
namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --dim: #888; --mark: #2a7; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 0; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 1rem 0; }
code, pre { font: 0.9em ui-monospace, monospace; } pre { overflow-x: auto; }
.get { color: var(--mark); font-weight: 600; margin-right: 0.5rem; } .dim { color: var(--dim); }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0; }
th, td { text-align: left; padding: 0.25rem 0.5rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
summary { cursor: pointer; }
)";
constexpr const char* kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

std::string escaped(std::string_view text) {
  std::string to;
  to.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '<':
        to += "&lt;";
        break;
      case '>':
        to += "&gt;";
        break;
      case '&':
        to += "&amp;";
        break;
      case '"':
        to += "&quot;";
        break;
      default:
        to += c;
    }
  }
  return to;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end()
             ? ""
             : escaped(found->is_string() ? found->get<std::string>() : found->dump());
}

/// "integer, int64, at least 1"
std::string type_text(const Json& schema) {
  std::string text = text_of(schema, "type");
  for (const auto& [key, words] : {std::pair("format", ", "), std::pair("minimum", ", at least "),
                                   std::pair("maximum", ", at most "), std::pair("enum", ": "),
                                   std::pair("default", ", default ")}) {
    if (schema.contains(key)) {
      text += words + text_of(schema, key);
    }
  }
  return text;
}

std::string parameters_table(const Json& parameters) {
  std::string rows;
  for (const Json& each : parameters) {
    rows += fmt::format("<tr><td><code>{}</code></td><td>{}{}</td><td>{}</td><td>{}</td></tr>",
                        text_of(each, "name"), text_of(each, "in"),
                        each.value("required", false) ? ", required" : "",
                        type_text(each["schema"]), text_of(each, "description"));
  }
  return "<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>" + rows + "</table>";
}

std::string responses_table(const Json& responses) {
  std::string rows;
  for (const auto& [status, each] : responses.items()) {
    rows += fmt::format("<tr><td>{}</td><td>{}</td></tr>", escaped(status),
                        text_of(each, "description"));
  }
  return "<details><summary>Answers</summary><table>" + rows + "</table></details>";
}

std::string schema_details(const Json& responses) {
  const Json none;
  const auto& content = responses.at("200").value("content", none);
  const auto found = content.find("application/json");
  return found == content.end()
             ? ""
             : fmt::format("<details><summary>Schema</summary><pre>{}</pre></details>",
                           escaped((*found)["schema"].dump(2)));
}

}  // namespace

Page page_of(const Json& openapi) {
  const Json& info = openapi["info"];
  std::string body = fmt::format(
      "<h1>{}</h1><p class=\"dim\">{}</p><p><a href=\"openapi.json\">openapi.json</a>"
      "</p>",
      text_of(info, "title"), text_of(info, "description"));
  for (const auto& [path, operations] : openapi["paths"].items()) {
    const Json& get = operations["get"];
    body += fmt::format(
        "<section><h2><span class=\"get\">GET</span><code>{}</code></h2><p>{}</p>{}{}{}</section>",
        escaped(path), text_of(get, "summary"), parameters_table(get["parameters"]),
        responses_table(get["responses"]), schema_details(get["responses"]));
  }
  return {fmt::format("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
                      "name=\"viewport\" content=\"width=device-width\"><title>{}</title><style>{}"
                      "</style></head><body>{}</body></html>\n",
                      text_of(info, "title"), kStyle, body),
          kPolicy};
}

}  // namespace millrace::serve
