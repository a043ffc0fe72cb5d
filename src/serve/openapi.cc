#include "serve/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/strings.h"

namespace millrace::serve {
namespace {

using Ordered = nlohmann::ordered_json;

constexpr std::string_view kErrorSchema = "#/components/schemas/Error";

Ordered or_null(Ordered schema) {
  if (schema.contains("type") && schema["type"].is_string()) {
    schema["type"] = Ordered::array({schema["type"], "null"});
  }
  return schema;
}

Ordered value_of(ParameterType type, const ParameterValue& value) {
  if (type == ParameterType::date || type == ParameterType::timestamp) {
    return parameter_text(type, value);
  }
  return std::visit(
      [](const auto& each) -> Ordered {
        if constexpr (std::is_same_v<std::decay_t<decltype(each)>, std::monostate>) {
          return nullptr;
        } else {
          return each;
        }
      },
      value);
}

Ordered type_of_parameter(ParameterType type) {
  switch (type) {
    case ParameterType::integer:
      return {{"type", "integer"}, {"format", "int64"}};
    case ParameterType::number:
      return {{"type", "number"}};
    case ParameterType::string:
      return {{"type", "string"}};
    case ParameterType::boolean:
      return {{"type", "boolean"}};
    case ParameterType::date:
      return {{"type", "string"}, {"format", "date"}};
    case ParameterType::timestamp:
      return {{"type", "string"}, {"format", "date-time"}};
  }
  std::unreachable();
}

Ordered schema_of(const ParameterSpec& parameter) {
  Ordered schema = type_of_parameter(parameter.type);
  const bool has_minimum = !std::holds_alternative<std::monostate>(parameter.minimum);
  const bool has_maximum = !std::holds_alternative<std::monostate>(parameter.maximum);
  switch (parameter.type) {
    case ParameterType::string:
      schema["maxLength"] = has_maximum ? std::get<std::int64_t>(parameter.maximum) : 1'000;
      if (has_minimum || parameter.in == ParameterPlace::path) {
        schema["minLength"] = has_minimum ? std::get<std::int64_t>(parameter.minimum) : 1;
      }
      if (!parameter.pattern.empty()) {
        schema["pattern"] = "^(?:" + parameter.pattern + ")$";
      }
      if (!parameter.allowed.empty()) {
        schema["enum"] = parameter.allowed;
      }
      break;
    case ParameterType::integer:
    case ParameterType::number:
      if (has_minimum) {
        schema["minimum"] = value_of(parameter.type, parameter.minimum);
      }
      if (has_maximum) {
        schema["maximum"] = value_of(parameter.type, parameter.maximum);
      }
      break;
    default:
      if (has_minimum || has_maximum) {
        schema["description"] = "Must be " + wanted_of(parameter) + ".";
      }
  }
  if (!std::holds_alternative<std::monostate>(parameter.default_value)) {
    schema["default"] = value_of(parameter.type, parameter.default_value);
  }
  return schema;
}

Ordered parameter_of(const ParameterSpec& parameter) {
  Ordered described = {{"name", parameter.name},
                       {"in", enum_word(parameter.in)},
                       {"required", parameter.required},
                       {"schema", schema_of(parameter)}};
  if (!parameter.description.empty()) {
    described["description"] = parameter.description;
  }
  if (!parameter.example.empty()) {
    const auto value = read_parameter(parameter, parameter.example);
    described["example"] = value ? value_of(parameter.type, *value) : Ordered(parameter.example);
  }
  return described;
}

/// An answer's schema from its shape; `data` is that of the place `$data`.
Ordered schema_of_shape(const AnswerShape& shape, const Ordered& data) {
  if (shape.is_object()) {
    Ordered properties = Ordered::object();
    Ordered required = Ordered::array();
    for (const auto& [key, value] : shape.items()) {
      properties[key] = schema_of_shape(value, data);
      required.push_back(key);
    }
    Ordered schema = {{"type", "object"}, {"properties", std::move(properties)}};
    if (!required.empty()) {
      schema["required"] = std::move(required);
    }
    return schema;
  }
  if (shape.is_array()) {
    return {{"type", "array"}};
  }
  if (!shape.is_string()) {
    return {{"const", shape}};
  }
  const auto& word = shape.get_ref<const std::string&>();
  if (word == "$data") {
    return data;
  }
  if (word == "$status") {
    return {{"type", "integer"}};
  }
  if (word == "$batch") {
    return {{"type", {"integer", "null"}}};
  }
  if (word == "$watermark") {
    return {{"type", {"string", "null"}}, {"format", "date-time"}};
  }
  return word.starts_with('$') ? Ordered{{"type", "string"}} : Ordered{{"const", word}};
}

Ordered schema_of_rows(const EndpointSpec& endpoint, const Schema& columns) {
  Ordered properties = Ordered::object();
  Ordered required = Ordered::array();
  for (const Column& column : columns.columns) {
    properties[column.name] = or_null(schema_of_type(parse_type(column.type)));
    required.push_back(column.name);
  }
  Ordered row = {
      {"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
  Ordered rows = endpoint.returns == Returns::many
                     ? Ordered{{"type", "array"}, {"items", std::move(row)}}
                 : endpoint.empty == Empty::ok ? or_null(std::move(row))
                                               : std::move(row);
  if (endpoint.data.empty()) {
    return rows;
  }
  return {{"type", "object"},
          {"properties", {{endpoint.data, std::move(rows)}}},
          {"required", {endpoint.data}}};
}

Ordered header(const char* description, const char* type = "string") {
  return {{"description", description}, {"schema", {{"type", type}}}};
}

Ordered version_headers() {
  return {{"Millrace-Batch", header("The committed batch that the answer is of.", "integer")},
          {"Millrace-Watermark", header("How far event time has come in it.")}};
}

Ordered error_answer(const std::string& description) {
  return {{"description", description},
          {"content", {{"application/json", {{"schema", {{"$ref", kErrorSchema}}}}}}}};
}

/// All that can go wrong, by status. What the HTTP server refuses by itself has the face that the
/// whole API gives it.
void add_errors(const ServeSpec& serve, const EndpointSpec& endpoint, Ordered& responses) {
  std::map<int, std::set<std::string>> messages;
  const auto add = [&](Fault fault) {
    for (const ErrorSpecs* own : {&endpoint.errors, &serve.errors}) {
      const FaultInfo info = info_of(fault, *own);
      messages[info.status].emplace(info.message);
    }
  };
  for (const Fault fault :
       {Fault::bad_request, Fault::invalid_parameter, Fault::no_such_endpoint,
        Fault::method_not_allowed, Fault::payload_too_large, Fault::too_many_requests,
        Fault::internal, Fault::busy, Fault::not_ready, Fault::unavailable, Fault::timeout}) {
    add(fault);
  }
  if (!serve.server.users.empty()) {
    add(Fault::unauthorized);
    add(Fault::forbidden);
  }
  if (endpoint.empty == Empty::not_found) {
    add(Fault::not_found);
  }
  for (const ParameterSpec& parameter : endpoint.parameters) {
    if (!parameter.error.empty()) {
      messages[info_of(Fault::invalid_parameter, endpoint.errors).status].insert(parameter.error);
    }
  }
  for (const auto& [status, all] : messages) {
    Ordered& response = responses[std::to_string(status)];
    const auto error = error_answer(join(std::vector<std::string>(all.begin(), all.end()), "; "));
    if (response.is_null()) {
      response = error;
      continue;
    }
    // Errors with the status of success.
    Ordered& schema = response["content"].begin().value()["schema"];
    schema = {{"anyOf", Ordered::array({schema, {{"$ref", kErrorSchema}}})}};
  }
}

Ordered wait_parameter() {
  return {{"name", kWaitParameter},
          {"in", "query"},
          {"required", false},
          {"description", "Waits until this batch is visible; 504 if it is not in time."},
          {"schema", {{"type", "integer"}, {"format", "int64"}, {"minimum", 0}}}};
}

Ordered operation_of(const ServeSpec& serve, const EndpointSpec& spec, const Schema& columns,
                     bool makes_batches) {
  Ordered operation = Ordered::object();
  if (!spec.description.empty()) {
    operation["summary"] = spec.description;
  }
  Ordered parameters = Ordered::array();
  for (const ParameterSpec& parameter : spec.parameters) {
    parameters.push_back(parameter_of(parameter));
  }
  if (makes_batches) {
    parameters.push_back(wait_parameter());
  }
  operation["parameters"] = std::move(parameters);
  const AnswerShape shape = serve.success.is_null() ? AnswerShape("$data") : serve.success;
  Ordered headers = makes_batches ? version_headers() : Ordered::object();
  headers["ETag"] = header("Of the answer's content.");
  headers["Millrace-Truncated"] = header("`true` if there are more rows than the endpoint gives.");
  Ordered responses = Ordered::object();
  responses["200"] = {
      {"description", spec.message.empty() ? std::string("The result.") : spec.message},
      {"headers", headers},
      {"content",
       {{"application/json",
         {{"schema", schema_of_shape(shape, schema_of_rows(spec, columns))}}}}}};
  responses["304"] = {{"description", "The answer is still what `If-None-Match` names."}};
  add_errors(serve, spec, responses);
  operation["responses"] = std::move(responses);
  return operation;
}

Ordered changes_operation(const ServeSpec& serve, const EndpointSpec& spec) {
  const Ordered after = {{"name", "after"},
                         {"in", "query"},
                         {"required", false},
                         {"description",
                          "Begins with what changed after this batch; -1: with all rows. "
                          "`Last-Event-ID` goes before it."},
                         {"schema", {{"type", "integer"}, {"format", "int64"}, {"minimum", -1}}}};
  Ordered responses = Ordered::object();
  responses["200"] = {
      {"description",
       "Server-sent events: `rows` and `gone`, each with {batch, rows}, and `reset` "
       "when the table has to be read anew."},
      {"headers", version_headers()},
      {"content", {{"text/event-stream", {{"schema", {{"type", "string"}}}}}}}};
  add_errors(serve, spec, responses);
  return {{"summary", spec.description.empty()
                          ? fmt::format("The changes of `{}`, as they are committed", spec.changes)
                          : spec.description},
          {"parameters", Ordered::array({after})},
          {"responses", std::move(responses)}};
}

void add_security(const ServeSpec& serve, Ordered& document) {
  Ordered schemes = Ordered::object();
  for (const auto& [name, user] : serve.server.users) {
    if (!user.tokens.empty()) {
      schemes["bearer"] = {{"type", "http"}, {"scheme", "bearer"}};
    }
    if (!user.password.empty()) {
      schemes["basic"] = {{"type", "http"}, {"scheme", "basic"}};
    }
  }
  if (schemes.empty()) {
    return;
  }
  Ordered any = Ordered::array();
  for (const auto& [name, scheme] : schemes.items()) {
    any.push_back({{name, Ordered::array()}});
  }
  document["components"]["securitySchemes"] = std::move(schemes);
  document["security"] = std::move(any);
}

}  // namespace

Ordered schema_of_type(const Type& type) {
  using Id = Type::Id;
  switch (type.id) {
    case Id::boolean:
      return {{"type", "boolean"}};
    case Id::i8:
    case Id::i16:
    case Id::i32:
    case Id::i64:
    case Id::i128:
    case Id::u8:
    case Id::u16:
    case Id::u32:
    case Id::u64:
      return {{"type", "integer"}};
    case Id::decimal:
    case Id::f32:
    case Id::f64:
      return {{"type", "number"}};
    case Id::date:
      return {{"type", "string"}, {"format", "date"}};
    case Id::timestamp_s:
    case Id::timestamp_ms:
    case Id::timestamp:
    case Id::timestamp_ns:
    case Id::timestamp_tz:
      return {{"type", "string"}, {"format", "date-time"}};
    case Id::uuid:
      return {{"type", "string"}, {"format", "uuid"}};
    case Id::blob:
      return {{"type", "string"}, {"contentEncoding", "base64"}};
    case Id::structure: {
      Ordered properties = Ordered::object();
      for (const Type::Part& part : type.parts) {
        properties[part.name] = or_null(schema_of_type(part.type));
      }
      return {{"type", "object"}, {"properties", std::move(properties)}};
    }
    case Id::list:
      return {{"type", "array"}, {"items", or_null(schema_of_type(type.parts[0].type))}};
    case Id::map:
      return {{"type", "object"},
              {"additionalProperties", or_null(schema_of_type(type.parts[1].type))}};
    default:
      return {{"type", "string"}};
  }
}

Ordered openapi_of(const PipelineSpec& spec, const std::string& version,
                   const std::vector<std::unique_ptr<Endpoint>>& endpoints, bool makes_batches) {
  const ServeSpec& serve = *spec.serve;
  Ordered document = {{"openapi", "3.1.0"},
                      {"info",
                       {{"title", serve.title.empty() ? spec.name : serve.title},
                        {"version", version.empty() ? "0" : version}}},
                      {"paths", Ordered::object()},
                      {"components", {{"schemas", Ordered::object()}}}};
  if (!serve.description.empty()) {
    document["info"]["description"] = serve.description;
  }
  for (const EndpointSpec& each : serve.endpoints) {
    if (!each.changes.empty()) {
      document["paths"][each.path]["get"] = changes_operation(serve, each);
      continue;
    }
    const auto made = std::ranges::find_if(
        endpoints, [&](const auto& endpoint) { return &endpoint->spec == &each; });
    const auto prepared = (*made)->prepared();
    document["paths"][each.path]["get"] =
        operation_of(serve, each, prepared ? prepared->query().schema() : Schema(), makes_batches);
  }
  const AnswerShape error =
      serve.error.is_null()
          ? AnswerShape{{"code", "$code"}, {"message", "$message"}, {"hint", "$hint"}}
          : serve.error;
  document["components"]["schemas"]["Error"] = schema_of_shape(error, {{"type", "null"}});
  add_security(serve, document);
  return document;
}

}  // namespace millrace::serve
