//! Uploads and files. A client that is told 409 or 423 asks by HEAD where the upload stands, and goes on from there.

use reqwest::{Method, RequestBuilder};

use super::{Case, cases, delete, hold};
use crate::media::{data, metadata};
use crate::support::{Tenant, TestApp};

pub const CASES: &[Case] = cases![
    create_upload => Anew(&["media_files", "audit_log"], "what nobody goes on with is removed after a day, with its room"),
    continue_upload => Natural(&[409, 423]),
    override_upload => Natural(&[409, 423]),
    delete_upload => Natural(&[404]),
    delete_media => Natural(&[404]),
];

#[actix_web::test]
async fn files_arrive_once() {
    hold(CASES).await;
}

async fn create_upload(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let request = t.tus(Method::POST, "/uploads", &tenant.secretary_a);
    let metadata = metadata(&tenant.branch_a, "第一講.mp4");
    request
        .header("upload-length", 1_000)
        .header("upload-metadata", metadata)
}

/// The first part: what comes after the last byte is not one request's doing.
async fn continue_upload(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let upload = t.begin(&tenant.secretary_a, &tenant.branch_a, 1_000).await;
    t.piece(&tenant.secretary_a, &upload, 0, &[7; 600])
}

async fn override_upload(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let upload = t.begin(&tenant.secretary_a, &tenant.branch_a, 1_000).await;
    let request = t.tus(Method::POST, &upload, &tenant.secretary_a);
    let request = request
        .header("x-http-method-override", "PATCH")
        .header("upload-offset", 0);
    let request = request.header("content-type", "application/offset+octet-stream");
    request.body(vec![7; 600])
}

async fn delete_upload(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let upload = t.begin(&tenant.secretary_a, &tenant.branch_a, 1_000).await;
    t.tus(Method::DELETE, &upload, &tenant.secretary_a)
}

async fn delete_media(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let file = t
        .upload(&tenant.secretary_a, &tenant.branch_a, &data("poster.jpg"))
        .await;
    delete(t, &format!("/media/{}", file.id()), &tenant.secretary_a)
}
