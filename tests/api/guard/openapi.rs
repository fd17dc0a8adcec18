//! The checked-in document is the code's, and each operation is described as API.md asks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use zhibu::platform::error::Code;

use super::layers::sources;
use crate::support::{Reply, TestApp, new_uuid};

pub fn document() -> Value {
    serde_json::from_str(&zhibu::openapi::document_json()).unwrap()
}

/// Every operation: path, method, description.
pub fn operations() -> Vec<(String, String, Value)> {
    let document = document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                all.push((path.clone(), method.to_owned(), operation.clone()));
            }
        }
    }
    all
}

#[test]
fn the_checked_in_document_is_the_codes() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let checked_in = std::fs::read_to_string(file).unwrap_or_default();
    let same = checked_in == zhibu::openapi::document_json();
    assert!(
        same,
        "openapi/openapi.json differs from the code: cargo run -- openapi > openapi/openapi.json"
    );
}

#[test]
fn every_error_code_is_told_somewhere() {
    let document = zhibu::openapi::document_json();
    let told: BTreeSet<&str> = document
        .split(|c: char| c != '_' && !c.is_ascii_alphanumeric())
        .collect();
    for code in Code::ALL {
        assert!(told.contains(code.wire()), "{} is told nowhere", code.wire());
    }
}

/// `Once` and `OnceBytes` are the extractors that heed the key.
#[test]
fn what_keeps_answers_for_a_key_says_so() {
    let sources = sources();
    let mut found = 0;
    for (path, method, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap();
        let opening = format!("async fn {name}(");
        let Some((_, rest)) = sources.iter().find_map(|(_, text)| text.split_once(&opening)) else {
            panic!("no handler of {method} {path}");
        };
        let parameters = rest.split(") -> ").next().unwrap();
        let heeds = parameters.contains("Once<") || parameters.contains("OnceBytes");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let says = parameters.iter().any(|one| one["name"] == "Idempotency-Key");
        assert_eq!(says, heeds, "{name}");
        found += usize::from(says);
    }
    assert!(found > 10);
}

/// The specification's own schema of documents (OpenAPI Initiative, 2022-10-07, Apache-2.0), unchanged.
const OAS_3_1: &str = include_str!("oas_3_1.json");

#[test]
fn it_is_a_valid_openapi_3_1_document() {
    let specification = jsonschema::validator_for(&serde_json::from_str(OAS_3_1).unwrap()).unwrap();
    let mut document = document();
    let wrong: Vec<String> = specification
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 30);
    for (name, schema) in schemas {
        assert!(jsonschema::meta::is_valid(schema), "{name} is no JSON schema");
    }
    // Control: what is no such document is refused.
    document["paths"]["/api/v1/home"]["get"]["responses"] = serde_json::json!("none");
    assert!(!specification.is_valid(&document));
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.push(reference.clone());
            }
            members
                .values()
                .for_each(|member| collect_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[test]
fn each_operation_has_a_summary_a_unique_name_and_declares_its_path_parameters() {
    let mut names = std::collections::HashSet::new();
    for (path, method, operation) in operations() {
        let name = operation["operationId"]
            .as_str()
            .unwrap_or_else(|| panic!("{method} {path} has no operationId"));
        assert!(names.insert(name.to_owned()), "{name} is used twice");
        assert!(
            operation["summary"].as_str().is_some_and(|s| s.len() > 8),
            "{method} {path} has no summary"
        );
        let declared: Vec<&str> = operation["parameters"]
            .as_array()
            .map(|all| {
                all.iter()
                    .filter(|p| p["in"] == "path")
                    .map(|p| p["name"].as_str().unwrap())
                    .collect()
            })
            .unwrap_or_default();
        for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let parameter = part.split('}').next().unwrap();
            assert!(
                declared.contains(&parameter),
                "{method} {path} does not declare {parameter}"
            );
        }
    }
}

/// The schema behind a `$ref`, or what stands there itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// Whether an object of this schema may have such a member, in whichever of its parts or kinds.
fn may_have(document: &Value, schema: &Value, member: &str) -> bool {
    let schema = resolved(document, schema);
    let parts = ["allOf", "oneOf", "anyOf"]
        .iter()
        .filter_map(|kind| schema[kind].as_array())
        .flatten();
    schema["properties"].get(member).is_some()
        || parts.into_iter().any(|part| may_have(document, part, member))
}

#[test]
fn every_link_leads_to_an_operation_with_what_it_takes() {
    let document = document();
    let all = operations();
    let named: BTreeMap<&str, &Value> = all
        .iter()
        .map(|(_, _, one)| (one["operationId"].as_str().unwrap(), one))
        .collect();
    let json = |holder: &Value| holder["content"]["application/json"]["schema"].clone();
    let mut found = 0;
    for (source, operation) in &named {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            for (name, link) in answer["links"].as_object().into_iter().flatten() {
                let of = format!("{source} {status} -> {name}");
                let target = named[link["operationId"].as_str().unwrap()];
                let parameters = target["parameters"].as_array().cloned().unwrap_or_default();
                let given = link["parameters"].as_object().cloned().unwrap_or_default();
                for one in &parameters {
                    let is_given = given.contains_key(one["name"].as_str().unwrap());
                    assert!(is_given || one["required"] != true, "{of}: {}", one["name"]);
                }
                for name in given.keys() {
                    assert!(parameters.iter().any(|one| one["name"] == **name), "{of}: {name}");
                }
                for member in link["requestBody"]
                    .as_object()
                    .into_iter()
                    .flat_map(|body| body.keys())
                {
                    assert!(
                        may_have(&document, &json(&target["requestBody"]), member),
                        "{of}: {member}"
                    );
                }
                for told in link.to_string().split("$response.body#/").skip(1) {
                    let member = told.split(['"', '/']).next().unwrap();
                    assert!(
                        may_have(&document, &json(answer), member),
                        "{of}: no {member} is answered"
                    );
                }
                found += 1;
            }
        }
    }
    assert!(found > 50, "{found}");
}

/// A body's own example, or its schema's.
fn example<'a>(document: &'a Value, operation: &'a Value) -> Option<&'a Value> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema")?;
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#')?)?,
        None => schema,
    };
    schema.get("example").or(Some(&Value::Null))
}

#[actix_web::test]
async fn each_json_body_has_an_example_that_its_operation_would_take() {
    let t = TestApp::start().await;
    let system = t.system_admin("examples").await;
    let document = document();
    let mut tried = 0;
    for (path, method, operation) in operations() {
        let Some(body) = example(&document, &operation) else {
            continue;
        };
        assert!(body.is_object(), "{method} {path} shows no example");
        let mut filled = path.strip_prefix("/api/v1").unwrap().to_owned();
        while let (Some(from), Some(to)) = (filled.find('{'), filled.find('}')) {
            filled.replace_range(from..=to, &new_uuid());
        }
        let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request = t
            .request(method, &filled, &system)
            .json(body)
            .header("if-match", "*");
        let reply = Reply::of(request).await;
        let code = reply.json["code"].as_str().unwrap_or_default();
        assert!(
            !["invalid_fields", "malformed_json"].contains(&code),
            "{path}: {}",
            reply.json
        );
        tried += 1;
    }
    assert!(tried >= 20, "only {tried} tried");
}

/// Two types under one name would be one schema, and half of the operations would show the wrong words.
#[test]
fn no_two_types_share_a_schemas_name() {
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in sources() {
        for derived in text.split("#[derive(").skip(1) {
            let Some((traits, rest)) = derived.split_once(")]") else {
                continue;
            };
            let item = ["struct ", "enum "]
                .iter()
                .filter_map(|word| rest.find(word))
                .min();
            let (true, Some(item)) = (traits.contains("ToSchema"), item) else {
                continue;
            };
            let renamed = rest[..item].split_once("as = ").map(|(_, name)| name);
            let own = rest[item..].split_once(' ').map(|(_, name)| name);
            let name: String = renamed
                .or(own)
                .unwrap()
                .chars()
                .take_while(|c| c.is_alphanumeric())
                .collect();
            // The macro that makes enums of words has no name of its own.
            if !name.is_empty()
                && let Some(other) = named.insert(name.clone(), path.clone())
            {
                panic!("{name} is a schema in {other} and in {path}");
            }
        }
    }
    assert!(named.len() > 200, "only {} found", named.len());
}
