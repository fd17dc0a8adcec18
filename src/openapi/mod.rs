//! The OpenAPI document: what the handlers declare, and what holds for all of them.

mod links;

use actix_web::App as ActixApp;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required,
    Response, ResponseBuilder, Responses,
};
use utoipa_actix_web::AppExt;

use crate::platform::error::FieldError;
use crate::platform::http::Problem;
use crate::routes;

/// Answers that any operation may give, beside its own.
const COMMON: [(&str, &str); 7] = [
    ("400", "malformed_json, bad_request"),
    ("401", "unauthorized"),
    ("404", "not_found: missing, or outside my line of administration"),
    ("422", "invalid_fields: `errors` names each of them"),
    ("429", "rate_limited, with Retry-After"),
    ("500", "internal: our fault; `request_id` finds it in the log"),
    (
        "503",
        "overloaded, unavailable: repeat the same request after Retry-After",
    ),
];

/// Of all who must say who they are.
const KNOWN: (&str, &str) = ("403", "forbidden: in my sight, and not mine to do");

/// Of all that take a body.
const WITH_BODY: [(&str, &str); 2] = [
    ("413", "too_large"),
    ("415", "unsupported_media_type, unsupported_content_encoding"),
];

/// Writes that keep no answer for an `Idempotency-Key`: they carry a `client_event_id`, their answer holds a secret, or
/// repeating them does no harm.
const WITHOUT_KEY: [&str; 25] = [
    "activate_account",
    "cancel_own_guest",
    "change_password",
    "check_in",
    "check_in_as_guest",
    "check_in_batch",
    "check_in_member",
    "create_calendar_feed",
    "create_check_in_proof",
    "create_device",
    "create_guest_link",
    "create_own_guest",
    "create_sign_up",
    "create_upload",
    "enrol_device",
    "import_members",
    "issue_activation_code",
    "issue_activation_codes",
    "login",
    "logout",
    "record_progress_batch",
    "override_upload",
    "refresh_session",
    "simulate_points",
    "verify_code",
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
             document with a stable `code`; `detail` follows Accept-Language (zh-Hans, zh-Hant, en). What carries an \
             `ETag` answers 304 to `If-None-Match`. Any request may also meet 405 method_not_allowed, 408 request_timeout \
             and 431 headers_too_large.",
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
        for operation in [&mut item.get, &mut item.put, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
        {
            finish_operation(operation);
        }
        if let Some(operation) = &mut item.post {
            let name = operation.operation_id.as_deref().unwrap_or_default();
            if !WITHOUT_KEY.contains(&name) {
                take_idempotency_key(operation);
            }
            finish_operation(operation);
        }
    }
    document
}

fn take_idempotency_key(operation: &mut Operation) {
    let words = "Made up by the client, at most 255 characters: the same key and body again within 24 hours get the same \
                 answer, and nothing is done twice.";
    add_header(operation, "Idempotency-Key", words, Required::False);
    let unfit = "invalid_fields: `errors` names each of them; idempotency_key_reused: the key came with another request";
    let answers = &mut operation.responses.responses;
    match answers.get_mut("422") {
        Some(RefOr::T(own)) => own.description.push_str(", idempotency_key_reused"),
        _ => add_answer(&mut operation.responses, "422", unfit),
    }
}

fn finish_operation(operation: &mut Operation) {
    let answers = &operation.responses.responses;
    let is_conditional = |answer: &RefOr<Response>| matches!(answer, RefOr::T(answer) if answer.description.contains("version_mismatch"));
    if answers.get("412").is_some_and(is_conditional) {
        let words = "The `ETag` of what was read, or `*` for whatever is there.";
        let required = if answers.contains_key("428") {
            Required::True
        } else {
            Required::False
        };
        add_header(operation, "If-Match", words, required);
    }
    let is_open = operation.security == Some(vec![SecurityRequirement::default()]);
    let known = (!is_open).then_some(KNOWN);
    let body = operation.request_body.is_some().then_some(WITH_BODY);
    for (status, words) in COMMON.into_iter().chain(known).chain(body.into_iter().flatten()) {
        add_answer(&mut operation.responses, status, words);
    }
    finish_responses(&mut operation.responses);
    links::add_links(operation);
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.iter_mut().for_each(describe_bytes);
    }
    for answer in operation.responses.responses.values_mut() {
        if let RefOr::T(answer) = answer {
            answer.content.iter_mut().for_each(describe_bytes);
        }
    }
}

/// What is no JSON is text or bytes to whoever reads the document; a `Vec<u8>` would be a list of numbers to them, and a
/// stream of frames one frame.
fn describe_bytes((media_type, content): (&String, &mut RefOr<Content>)) {
    let RefOr::T(content) = content else { return };
    let bytes = || {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(binary))
    };
    content.schema = match media_type.as_str() {
        "multipart/form-data" => {
            let form = ObjectBuilder::new().property("file", bytes()).required("file");
            Some(form.build().into())
        }
        "text/event-stream" => {
            let words = "Server-sent events, each with its frame as JSON in `data`.";
            let text = || ObjectBuilder::new().schema_type(Type::String);
            // Text as a whole, and a list of these to whoever takes streams apart.
            let event = ObjectBuilder::new()
                .schema_type(SchemaType::AnyValue)
                .description(Some(words))
                .property("event", text())
                .property("id", text())
                .property("data", text());
            Some(event.build().into())
        }
        other if other.ends_with("json") || other.starts_with("text/") => return,
        _ => Some(bytes().build().into()),
    };
}

fn add_header(operation: &mut Operation, name: &str, words: &str, required: Required) {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    let header = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(words))
        .schema(Some(text))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(RefOr::T(header));
}

/// Unless the operation has said it itself.
fn add_answer(responses: &mut Responses, status: &str, words: &str) {
    responses
        .responses
        .entry(status.to_owned())
        .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(words).build()));
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

/// Problem documents on every refusal, and words where the operation had none to add.
fn finish_responses(responses: &mut Responses) {
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
