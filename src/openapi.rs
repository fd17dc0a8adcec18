//! The OpenAPI document: what the handlers declare, and what holds for all of them.

use actix_web::App as ActixApp;
use utoipa::ToSchema;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Responses,
};
use utoipa_actix_web::AppExt;

use crate::platform::error::FieldError;
use crate::platform::http::Problem;
use crate::routes;

/// Answers that any operation may give, beside its own.
const COMMON: [(&str, &str); 6] = [
    ("400", "malformed_json, bad_request"),
    ("401", "unauthorized"),
    ("404", "not_found: missing, or outside my line of administration"),
    ("422", "invalid_fields: `errors` names each of them"),
    ("429", "rate_limited, with Retry-After"),
    (
        "503",
        "overloaded, unavailable: repeat the same request after Retry-After",
    ),
];

/// The document without starting a server.
pub fn document() -> OpenApi {
    let (_, document) = ActixApp::new()
        .into_utoipa_app()
        .service(utoipa_actix_web::scope("/api/v1").configure(routes::api))
        .split_for_parts();
    finish(document)
}

/// As it is checked in at `openapi/openapi.json`.
pub fn document_json() -> String {
    let mut json = document().to_pretty_json().unwrap_or_default();
    json.push('\n');
    json
}

/// Adds what all operations share: who we are, bearer tokens, and problem documents on every refusal.
pub fn finish(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("zhibu")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Study and check-in for grass-roots membership organisations. Every refusal is an RFC 9457 problem \
             document with a stable `code`; `detail` follows Accept-Language (zh-Hans, zh-Hant, en).",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let components = document.components.get_or_insert_default();
    for (name, schema) in [
        (Problem::name(), <Problem as utoipa::PartialSchema>::schema()),
        (
            FieldError::name(),
            <FieldError as utoipa::PartialSchema>::schema(),
        ),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.add_security_scheme("device", device_scheme());
    document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            finish_responses(&mut operation.responses);
        }
    }
    document
}

/// HTTP schemes that OpenAPI knows by name are those of a registry; ours is a header like any other to it.
fn device_scheme() -> SecurityScheme {
    let words = "`Device <token>`: what a room's screen or scanner got for its enrolment code (POST /devices/enrolments). \
                 It opens these operations only, and an access token is none.";
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
        "Authorization",
        words,
    )))
}

/// What any operation may answer, problem documents on every refusal, and words where the operation had none to add.
fn finish_responses(responses: &mut Responses) {
    for (status, words) in COMMON {
        responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(words).build()));
    }
    for (status, response) in &mut responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with('4') || status.starts_with('5') {
            let schema = Some(Ref::from_schema_name("Problem"));
            let content = RefOr::T(ContentBuilder::new().schema(schema).build());
            response
                .content
                .insert("application/problem+json".into(), content);
        }
        if response.description.is_empty() {
            response.description = match status.as_str() {
                "201" => "Made",
                "204" => "Done",
                _ => "As it is now",
            }
            .into();
        }
    }
}
