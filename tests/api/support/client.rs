//! A small client: paths below `/api/v1`, a token, a JSON body, a reply that can be looked at.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::TestApp;

/// In the explanation of every quiz question that tests write, and in nothing else.
pub const CANARY: &str = "CANARY";

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Reply {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let path = response.url().path().to_owned();
        let bytes = response.bytes().await.unwrap().to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let reply = Self {
            status,
            headers,
            bytes,
            json,
        };
        assert!(
            reply.may_explain(&path) || !reply.mentions(CANARY),
            "an answer is told: {path} {}",
            String::from_utf8_lossy(&reply.bytes)
        );
        reply
    }

    pub fn mentions(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.bytes).contains(text)
    }

    /// Only an attempt that was handed in explains, and the quiz and its statistics to those who write it.
    fn may_explain(&self, path: &str) -> bool {
        let is_handed_in = self.json["status"] == "handed_in" && path.contains("/quiz-attempts/");
        let is_for_writers = path.ends_with("/quiz") && self.json["document"].is_object();
        is_handed_in || is_for_writers || path.ends_with("/quiz/statistics")
    }

    /// The reply, if it has this status; else the test fails and shows what came.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// A refusal with this status and code, as a problem document.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.json["code"], code, "{}", reply.json);
        assert_eq!(reply.header("content-type"), "application/problem+json");
        reply
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        found
            .unwrap_or_else(|| panic!("no text at {pointer} in {}", self.json))
            .to_owned()
    }

    #[track_caller]
    pub fn id(&self) -> String {
        self.text("/id")
    }

    #[track_caller]
    pub fn items(&self) -> &[Value] {
        self.json["items"]
            .as_array()
            .unwrap_or_else(|| panic!("no items in {}", self.json))
    }
}

impl TestApp {
    /// `path` is below `/api/v1`, or a whole address. An empty token is none.
    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/api/v1{path}", self.url)
        };
        let request = self.http.request(method, url);
        if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        }
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        Reply::of(self.request(Method::GET, path, token)).await
    }

    pub async fn get_as(&self, path: &str, token: &str, accept: &str) -> Reply {
        Reply::of(self.request(Method::GET, path, token).header("accept", accept)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        Reply::of(self.request(Method::POST, path, token).json(&body)).await
    }

    /// A write without fields.
    pub async fn act(&self, path: &str, token: &str) -> Reply {
        Reply::of(self.request(Method::POST, path, token)).await
    }

    pub async fn put(&self, path: &str, token: &str, body: Value) -> Reply {
        Reply::of(self.request(Method::PUT, path, token).json(&body)).await
    }

    pub async fn patch(&self, path: &str, token: &str, version: &str, body: Value) -> Reply {
        let request = self.request(Method::PATCH, path, token).json(&body);
        Reply::of(if version.is_empty() {
            request
        } else {
            request.header("if-match", version)
        })
        .await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Reply {
        Reply::of(self.request(Method::DELETE, path, token)).await
    }
}
