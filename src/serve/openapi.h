// The description of what is served: OpenAPI 3.1, made of the same declarations as the answers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "serve/endpoint.h"
#include "spec/pipeline.h"

namespace millrace::serve {

/// Endpoints that could not be prepared yet are described without their columns. `makes_batches`:
/// of which answers are, and which can be waited for.
[[nodiscard]] nlohmann::ordered_json openapi_of(
    const PipelineSpec& spec, const std::string& version,
    const std::vector<std::unique_ptr<Endpoint>>& endpoints, bool makes_batches);

/// What JSON of a column's values looks like (JSON Schema 2020-12).
[[nodiscard]] nlohmann::ordered_json schema_of_type(const Type& type);

}  // namespace millrace::serve
