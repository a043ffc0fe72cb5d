"""Another maker's view of OpenAPI documents, and of answers that they describe."""
import servers

TOOLS = {"jsonschema": "4.26.0", "attrs": "26.1.0", "referencing": "0.37.0", "rpds-py": "2026.9.1", "jsonschema-specifications": "2025.9.1",
         "openapi-spec-validator": "0.9.0", "openapi-schema-validator": "0.9.0", "jsonschema-path": "0.5.0", "pathable": "0.6.0",
         "PyYAML": "6.0.3", "lazy-object-proxy": "1.13.0", "rfc3339-validator": "0.1.4", "six": "1.17.0", "pydantic": "2.14.3",
         "pydantic_core": "2.50.4", "pydantic-settings": "2.16.3", "annotated-types": "0.8.0", "python-dotenv": "1.2.4",
         "typing_extensions": "4.16.0", "typing-inspection": "0.4.5"}


def validate(document):
    """Whether it is OpenAPI 3.1."""
    servers.modules(TOOLS)
    from openapi_spec_validator import OpenAPIV31SpecValidator
    assert document["openapi"].startswith("3.1."), document["openapi"]
    OpenAPIV31SpecValidator(document).validate()


def check(document, value, schema, what):
    """Whether a value is what a schema of the document says."""
    servers.modules(TOOLS)
    from jsonschema import Draft202012Validator
    checked = Draft202012Validator({**schema, "components": document["components"]})
    wrong = [f"{what}{error.json_path[1:]}: {error.message[:300]}" for error in checked.iter_errors(value)]
    assert not wrong, "\n".join(wrong[:5])
