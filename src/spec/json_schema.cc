// The JSON Schema of pipeline files, made from the option tables.
#include <fmt/core.h>

#include <initializer_list>

#include "base/strings.h"
#include "spec/alert_findings.h"
#include "spec/alert_tables.h"
#include "spec/control.h"
#include "spec/pipeline.h"
#include "spec/serve_tables.h"
#include "spec/tables.h"

namespace millrace {
namespace {

constexpr std::string_view kNamePattern = "^[A-Za-z_][A-Za-z0-9_]*$";

Json reference_to(std::string_view definition) {
  return {{"$ref", fmt::format("#/$defs/{}", definition)}};
}

/// A value of its own form, or ${env:NAME}, which may stand for any value.
Json or_reference(Json schema) {
  return {{"anyOf", Json::array({std::move(schema), reference_to("reference")})}};
}

Json numeric_schema(const OptionInfo& info, std::string_view type) {
  Json schema = {{"type", type}};
  const auto bound = [&](const char* name, const std::optional<double>& value) {
    if (value && type == "integer") {
      schema[name] = static_cast<std::int64_t>(*value);
    } else if (value) {
      schema[name] = *value;
    }
  };
  bound("minimum", info.minimum);
  bound("maximum", info.maximum);
  return schema;
}

Json value_schema(const OptionInfo& info) {
  switch (info.kind) {
    case OptionKind::string:
    case OptionKind::path:
      return reference_to("text");
    case OptionKind::integer:
      return or_reference(numeric_schema(info, "integer"));
    case OptionKind::number:
      return or_reference(numeric_schema(info, "number"));
    case OptionKind::boolean:
      return or_reference({{"type", "boolean"}});
    case OptionKind::duration:
      return or_reference(reference_to("duration"));
    case OptionKind::bytes:
      return or_reference(reference_to("bytes"));
    case OptionKind::choice:
      return or_reference({{"enum", info.choices}});
    case OptionKind::string_list:
      return {{"anyOf", Json::array({reference_to("text"),
                                     {{"type", "array"}, {"items", reference_to("text")}}})}};
    case OptionKind::string_map:
      return {{"type", "object"}, {"additionalProperties", reference_to("text")}};
    case OptionKind::secret:
      return reference_to("secret");
    case OptionKind::any:
      return Json::object();
  }
  std::unreachable();
}

Json option_schema(const OptionInfo& info) {
  Json schema = value_schema(info);
  schema["description"] = info.default_text.empty()
                              ? info.doc
                              : fmt::format("{} Default: {}.", info.doc, info.default_text);
  if (!info.example.empty() && info.kind != OptionKind::any) {
    schema["examples"] = Json::array({info.example});
  }
  return schema;
}

/// An object with the options of a set, and no others. `also` are keys that others describe.
Json options_schema(const OptionSet* set, std::initializer_list<const OptionSet*> also = {}) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const OptionSet* others : also) {
    for (const OptionInfo& info : others->infos()) {
      properties[info.name] = true;
    }
  }
  if (set != nullptr) {
    for (const OptionInfo& info : set->infos()) {
      properties[info.name] = option_schema(info);
      if (info.required) {
        required.push_back(info.name);
      }
    }
  }
  Json schema = {{"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) {
    schema["required"] = std::move(required);
  }
  return schema;
}

/// The type an inline connection must have, or the bare word.
Json names_type(std::string_view type) {
  const Json inline_type = {
      {"type", "object"}, {"properties", {{"type", {{"const", type}}}}}, {"required", {"type"}}};
  return {{"anyOf", Json::array({{{"const", type}}, inline_type})}};
}

Json connection_schema(const ConnectorList& connectors) {
  const auto table = connection_table();
  Json types = Json::array();
  Json branches = Json::array();
  for (const auto& connector : connectors) {
    types.push_back(connector->type());
    branches.push_back(
        {{"if",
          {{"properties", {{"type", {{"const", connector->type()}}}}}, {"required", {"type"}}}},
         {"then", options_schema(connector->connection_options(), {&table})}});
  }
  Json type = option_schema(table.infos().front());
  type["$ref"] = "#/$defs/connectionType";
  return {{"type", "object"},
          {"properties", {{"type", std::move(type)}}},
          {"required", {"type"}},
          {"allOf", std::move(branches)}};
}

/// A source or sink: the keys that all have, and by `link` (`from` or `to`) those of the connector.
/// The schema cannot see what type a named connection has; there it allows all that any has.
Json endpoint_schema(const ConnectorList& connectors, const OptionSet& own, const char* link,
                     const OptionSet* (Connector::*role)() const noexcept) {
  Json schema = options_schema(&own);
  schema.erase("additionalProperties");
  schema["type"] = "object";
  schema["properties"][link]["anyOf"] =
      Json::array({{{"type", "string"}}, reference_to("connection")});
  Json types = Json::array();
  Json names = Json::array();
  for (const std::string& name : own.names()) {
    names.push_back(name);
  }
  Json branches = Json::array();
  for (const auto& connector : connectors) {
    const OptionSet* set = ((*connector).*role)();
    if (set == nullptr) {
      continue;
    }
    types.push_back(connector->type());
    branches.push_back(
        {{"if", {{"properties", {{link, names_type(connector->type())}}}, {"required", {link}}}},
         {"then", options_schema(set, {&own})}});
    for (const std::string& name : set->names()) {
      names.push_back(name);
    }
  }
  const Json named = {{"type", "string"}, {"not", {{"enum", types}}}};
  branches.push_back({{"if", {{"properties", {{link, named}}}, {"required", {link}}}},
                      {"then", {{"propertyNames", {{"enum", std::move(names)}}}}}});
  schema["allOf"] = std::move(branches);
  return schema;
}

Json section_schema(std::string_view definition, std::string_view name_pattern) {
  return {{"type", {"object", "null"}},
          {"propertyNames", {{"pattern", name_pattern}}},
          {"additionalProperties", reference_to(definition)}};
}

Json pattern_schema(std::string_view pattern, std::string_view description) {
  return {{"type", "string"}, {"pattern", pattern}, {"description", description}};
}

/// The checks of a source or dataset.
Json checks_schema() {
  const auto table = check_table();
  Json check = options_schema(&table);
  check["type"] = "object";
  check["properties"]["expect"]["$ref"] = "#/$defs/text";
  Json kinds = Json::array();
  for (const char* kind : {"expect", "references", "unique", "sequence"}) {
    kinds.push_back({{"required", Json::array({kind})}});
  }
  check["oneOf"] = std::move(kinds);
  return {{"type", "array"}, {"items", std::move(check)}};
}

Json shape_schema(const OptionSet& set) {
  Json schema = options_schema(&set);
  schema["type"] = "object";
  return schema;
}

/// What is nested in the options of a server.
void add_server_schema(Json& properties) {
  properties["tls"].update(shape_schema(http::TlsOptions::table()));
  properties["users"].update(
      {{"type", "object"}, {"additionalProperties", shape_schema(http::UserOptions::table())}});
}

/// By the code of an error, its message, or more.
Json errors_schema() {
  Json errors = {{"type", "object"}, {"additionalProperties", false}};
  for (const auto& code : fault_codes()) {
    errors["properties"][code]["$ref"] = "#/$defs/error";
  }
  return errors;
}

/// An endpoint, and below it its parameters.
Json serve_schema() {
  Json parameter = shape_schema(parameter_table());
  for (const char* bound : {"default", "minimum", "maximum"}) {
    parameter["properties"][bound]["$ref"] = "#/$defs/text";
  }
  Json endpoint = shape_schema(endpoint_table());
  endpoint["oneOf"] = Json::array({{{"required", {"get"}}}, {{"required", {"changes"}}}});
  endpoint["properties"]["query"]["type"] = "string";
  endpoint["properties"]["parameters"].update({{"type", "object"},
                                               {"propertyNames", {{"pattern", kNamePattern}}},
                                               {"additionalProperties", std::move(parameter)}});
  endpoint["properties"]["errors"]["$ref"] = "#/$defs/errors";
  Json serve = shape_schema(serve_table());
  Json& properties = serve["properties"];
  properties["errors"]["$ref"] = "#/$defs/errors";
  properties["endpoints"].update({{"type", "array"}, {"minItems", 1}, {"items", endpoint}});
  properties["envelope"].update(shape_schema(envelope_table()));
  add_server_schema(properties);
  return serve;
}

Json control_schema() {
  Json control = shape_schema(control_table());
  add_server_schema(control["properties"]);
  return control;
}

/// Who is told, and the rules.
Json alerts_schema(const ConnectorList& connectors) {
  const auto text = [](Json& property) { property["$ref"] = "#/$defs/text"; };
  const auto receivers = receiver_table();
  Json receiver = endpoint_schema(connectors, receivers, "to", &Connector::sink_options);
  const auto webhooks = webhook_table();
  receiver["allOf"].push_back(
      {{"if", {{"properties", {{"type", {{"const", "webhook"}}}}}, {"required", {"type"}}}},
       {"then", options_schema(&webhooks, {&receivers})}});
  receiver["oneOf"] = Json::array({{{"required", {"type"}}}, {{"required", {"to"}}}});
  const auto rules = alert_rule_table();
  Json rule = options_schema(&rules);
  rule["type"] = "object";
  Json& parts = rule["properties"];
  parts["metric"] = {{"enum", alert_metric_names()},
                     {"description", parts["metric"]["description"]}};
  parts["finding"] = {{"enum", alert_finding_names()},
                      {"description", parts["finding"]["description"]}};
  for (const char* name : {"query", "above", "below", "message"}) {
    text(parts[name]);
  }
  rule["oneOf"] = Json::array(
      {{{"required", {"metric"}}}, {{"required", {"finding"}}}, {{"required", {"query"}}}});
  const auto table = alerts_table();
  Json alerts = options_schema(&table);
  alerts["type"] = "object";
  alerts["properties"]["receivers"].update({{"type", {"object", "null"}},
                                            {"propertyNames", {{"pattern", kNamePattern}}},
                                            {"additionalProperties", std::move(receiver)}});
  alerts["properties"]["rules"].update({{"type", "array"}, {"items", std::move(rule)}});
  return alerts;
}

Json definitions(const ConnectorList& connectors) {
  Json types = Json::array();
  for (const auto& connector : connectors) {
    types.push_back(
        {{"const", connector->type()}, {"description", std::string(connector->summary())}});
  }
  const std::string amount = "[0-9]+(\\.[0-9]+)?";
  const std::string duration =
      fmt::format("^(?=[0-9])({0}d)?({0}h)?({0}m)?({0}s)?({0}ms)?$", amount);
  const auto datasets = dataset_table();
  const auto checkpoints = checkpoint_table();
  const auto watermarks = watermark_table();
  Json watermark = options_schema(&watermarks);
  watermark["type"] = "object";
  Json dataset = options_schema(&datasets);
  dataset["type"] = "object";
  dataset["properties"]["sql"]["type"] = "string";
  dataset["properties"]["watermark"]["$ref"] = "#/$defs/watermark";
  Json source = endpoint_schema(connectors, source_table(), "from", &Connector::source_options);
  source["properties"]["watermark"]["$ref"] = "#/$defs/watermark";
  Json sink = endpoint_schema(connectors, sink_table(), "to", &Connector::sink_options);
  sink["oneOf"] = Json::array({{{"required", {"from"}}}, {{"required", {"late"}}}});
  Json quarantine = endpoint_schema(connectors, quarantine_table(), "to", &Connector::sink_options);
  return {
      {"alerts", alerts_schema(connectors)},
      {"checks", checks_schema()},
      {"control", control_schema()},
      {"history", shape_schema(history_table())},
      {"serve", serve_schema()},
      {"errors", errors_schema()},
      {"error",
       {{"anyOf", Json::array({{{"$ref", "#/$defs/text"}}, shape_schema(error_table())})}}},
      {"quarantine", std::move(quarantine)},
      {"text", {{"type", {"string", "number", "boolean"}}}},
      {"reference", pattern_schema(R"(\$\{env:)", "A variable of the environment: ${env:NAME}.")},
      {"secret", pattern_schema(R"(^\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)\}$)",
                                "${env:NAME} or ${file:PATH}; never the secret itself.")},
      {"duration", pattern_schema(duration, "For example 250ms, 10s, 1h30m.")},
      {"bytes",
       {{"anyOf",
         Json::array({{{"type", "integer"}, {"minimum", 0}},
                      pattern_schema(fmt::format("^{} *(([KkMmGgTt][Ii]?)?[Bb])?$", amount),
                                     "For example 64MB, 1GiB, 4096.")})}}},
      {"connectionType", {{"oneOf", std::move(types)}}},
      {"connection", connection_schema(connectors)},
      {"checkpoint", options_schema(&checkpoints)},
      {"watermark", std::move(watermark)},
      {"source", std::move(source)},
      {"dataset", {{"anyOf", Json::array({{{"type", "string"}}, std::move(dataset)})}}},
      {"sink", std::move(sink)},
  };
}

}  // namespace

Json pipeline_json_schema(const ConnectorList& connectors) {
  const auto table = pipeline_table();
  Json schema = options_schema(&table);
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "millrace pipeline";
  schema["type"] = "object";
  Json& properties = schema["properties"];
  properties["pipeline"]["pattern"] = kPipelineNamePattern;
  Json words = Json::array();
  for (const auto& each : EnumNames<TriggerSpec::Kind>::kWords) {
    words.push_back(each.word);
  }
  properties["trigger"]["anyOf"] = Json::array(
      {{{"enum", std::move(words)}}, reference_to("duration"), reference_to("reference")});
  properties["checkpoint"].update({{"type", {"object", "null"}}, {"$ref", "#/$defs/checkpoint"}});
  properties["connections"].update(section_schema("connection", "."));
  properties["sources"].update(section_schema("source", kNamePattern));
  properties["datasets"].update(section_schema("dataset", kNamePattern));
  properties["checks"].update(section_schema("checks", kNamePattern));
  properties["sinks"].update(section_schema("sink", kNamePattern));
  schema["anyOf"] = Json::array({{{"required", {"sinks"}}}, {{"required", {"serve"}}}});
  properties["serve"].update({{"$ref", "#/$defs/serve"}});
  properties["quarantine"].update(reference_to("quarantine"));
  properties["alerts"].update(reference_to("alerts"));
  properties["control"].update(reference_to("control"));
  properties["history"].update(reference_to("history"));
  schema["$defs"] = definitions(connectors);
  return schema;
}

}  // namespace millrace
