//! Pictures of reflections: what is kept of them, what is refused, and that none is left behind.

use std::io::Write;
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use image::{ImageEncoder, Rgb, RgbImage};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::media::files_in;
use crate::sharing::{begun_event, decide, share};
use crate::support::{Reply, Tenant, TestApp, python};

/// Left half red, right half blue.
fn drawing(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| match x < width / 2 {
        true => Rgb([220, 20, 20]),
        false => Rgb([20, 20, 220]),
    })
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode_image(&drawing(width, height))
        .unwrap();
    bytes
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(
            &drawing(width, height),
            width,
            height,
            image::ExtendedColorType::Rgb8,
        )
        .unwrap();
    bytes
}

fn webp(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::webp::WebPEncoder::new_lossless(&mut bytes)
        .write_image(
            &drawing(width, height),
            width,
            height,
            image::ExtendedColorType::Rgb8,
        )
        .unwrap();
    bytes
}

fn segment(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [[0xFF, kind].as_slice(), &length, body].concat()
}

/// TIFF, big endian: orientation 6 (the camera was turned), and where it was: 39°54' N, 116°23' E.
fn exif() -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [
            tag.to_be_bytes().to_vec(),
            kind.to_be_bytes().to_vec(),
            count.to_be_bytes().to_vec(),
            value.to_vec(),
        ]
        .concat()
    };
    let (directory, gps, places) = (8u32, 8 + 2 + 2 * 12 + 4, 8 + 30 + 2 + 4 * 12 + 4);
    let mut tiff = [b"MM\0\x2A".as_slice(), &directory.to_be_bytes()].concat();
    tiff.extend(2u16.to_be_bytes());
    tiff.extend(entry(0x0112, 3, 1, [0, 6, 0, 0]));
    tiff.extend(entry(0x8825, 4, 1, u32::to_be_bytes(gps)));
    tiff.extend([0; 4]);
    tiff.extend(4u16.to_be_bytes());
    tiff.extend(entry(1, 2, 2, *b"N\0\0\0"));
    tiff.extend(entry(2, 5, 3, u32::to_be_bytes(places)));
    tiff.extend(entry(3, 2, 2, *b"E\0\0\0"));
    tiff.extend(entry(4, 5, 3, u32::to_be_bytes(places + 24)));
    tiff.extend([0; 4]);
    for part in [39u32, 54, 0, 116, 23, 0] {
        tiff.extend(part.to_be_bytes());
        tiff.extend(1u32.to_be_bytes());
    }
    [b"Exif\0\0".as_slice(), &tiff].concat()
}

/// As a phone writes it, turned, and with all that it knows.
fn talkative(width: u32, height: u32) -> Vec<u8> {
    let plain = jpeg(width, height);
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'>CANARY-XMP</x:xmpmeta>";
    let icc = [b"ICC_PROFILE\0\x01\x01".as_slice(), &[0; 128], b"CANARY-ICC"].concat();
    [
        &plain[..2],
        &segment(0xE1, &exif()),
        &segment(0xE1, xmp),
        &segment(0xE2, &icc),
        &segment(0xFE, b"CANARY-COMMENT"),
        &plain[2..],
        b"CANARY-TRAILER",
    ]
    .concat()
}

async fn send(t: &TestApp, token: &str, id: &str, content_type: &str, bytes: Vec<u8>) -> Reply {
    let request = t.request(Method::POST, &format!("/reflections/{id}/pictures"), token);
    Reply::of(request.header("content-type", content_type).body(bytes)).await
}

/// Adds a small picture.
pub async fn add(t: &TestApp, token: &str, id: &str) -> Reply {
    send(t, token, id, "image/png", png(12, 8)).await
}

async fn begun(t: &TestApp) -> (Tenant, String) {
    let tenant = t.tenant().await;
    let event = begun_event(t, &tenant, json!({})).await;
    let id = share(t, &tenant.member_a, &event, "event").await.expect(201).id();
    (tenant, id)
}

/// The bytes of the reflection's pictures, as somebody reads them.
async fn pictures(t: &TestApp, token: &str, id: &str) -> Vec<Vec<u8>> {
    let seen = t.get(&format!("/reflections/{id}"), token).await.expect(200);
    let mut all = Vec::new();
    for picture in seen.json["pictures"].as_array().unwrap() {
        let read = t
            .get(&t.here(picture["url"].as_str().unwrap()), "")
            .await
            .expect(200);
        assert_eq!(read.header("content-type"), "image/jpeg");
        all.push(read.bytes);
    }
    all
}

/// What Pillow, which is nobody of ours, finds in it: size, colours of two corners, and everything besides the pixels.
const LOOK: &str = "
import io, json, sys
from PIL import Image
picture = Image.open(io.BytesIO(sys.stdin.buffer.read()))
picture.load()
width, height = picture.size
kinds = [name for name, _ in picture.applist]
info = sorted(set(picture.info) - {'jfif', 'jfif_version', 'jfif_unit', 'jfif_density', 'dpi'})
corners = [picture.getpixel((1, 1)), picture.getpixel((width - 2, height - 2))]
name = lambda p: 'red' if p[0] > 180 and p[2] < 90 else 'blue' if p[2] > 180 and p[0] < 90 else str(p)
print(json.dumps({'format': picture.format, 'size': [width, height], 'mode': picture.mode, 'segments': kinds,
                  'info': info, 'exif': dict(picture.getexif()), 'corners': [name(c) for c in corners]}))
";

fn look(python: &str, bytes: &[u8]) -> Value {
    let mut child = Command::new(python)
        .args(["-c", LOOK])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[actix_web::test]
async fn a_picture_comes_out_upright_and_knows_nothing_of_place_and_camera() {
    let t = TestApp::start().await;
    let (tenant, id) = begun(&t).await;
    let sent = talkative(64, 32);
    let added = send(&t, &tenant.member_a, &id, "image/jpeg", sent.clone())
        .await
        .expect(201);
    assert_eq!(added.json, json!({ "number": 1, "width": 32, "height": 64 }));
    send(
        &t,
        &tenant.member_a,
        &id,
        "IMAGE/JPEG; charset=x",
        png(3_000, 1_000),
    )
    .await
    .expect(201);
    send(&t, &tenant.member_a, &id, "image/webp", webp(40, 20))
        .await
        .expect(201);
    let kept = pictures(&t, &tenant.member_a, &id).await;
    for bytes in &kept {
        assert!(bytes.starts_with(b"\xFF\xD8\xFF\xE0"));
        for word in ["CANARY", "Exif", "xap", "ICC_PROFILE", "<x:"] {
            let word = word.as_bytes();
            assert!(!bytes.windows(word.len()).any(|part| part == word));
        }
    }
    let Some(python) = python() else { return };
    // Control: Pillow finds what was sent.
    let before = look(&python, &sent);
    assert_eq!(
        (&before["size"], &before["exif"]["274"]),
        (&json!([64, 32]), &json!(6))
    );
    let told = ["comment", "exif", "icc_profile"].map(|name| json!(name));
    let info = before["info"].as_array().unwrap();
    assert!(told.iter().all(|name| info.contains(name)), "{before}");
    // Turned clockwise: what was left stands above.
    let plain = |size: [u32; 2]| {
        json!({
            "format": "JPEG", "size": size, "mode": "RGB", "segments": ["APP0"], "info": [], "exif": {},
            "corners": ["red", "blue"],
        })
    };
    assert_eq!(look(&python, &kept[0]), plain([32, 64]));
    assert_eq!(look(&python, &kept[1]), plain([2_048, 683]));
    assert_eq!(look(&python, &kept[2]), plain([40, 20]));
}

#[actix_web::test]
async fn what_is_no_picture_is_refused_and_leaves_nothing() {
    let t = TestApp::start().await;
    let (tenant, id) = begun(&t).await;
    let mut bomb = png(8, 8);
    bomb[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let refused = send(&t, &tenant.member_a, &id, "image/png", bomb).await;
    assert_eq!(refused.refused(413, "too_large").json["limit_pixels"], 50_000_000);
    let whole = jpeg(400, 300);
    let cut = whole[..whole.len() / 2].to_vec();
    let script = b"<html><script>alert(1)</script></html>";
    for (bytes, status, code) in [
        (cut, 422, "picture_unreadable"),
        (
            [b"\xFF\xD8\xFF".as_slice(), script].concat(),
            422,
            "picture_unreadable",
        ),
        (
            [b"\xFF\xD8\xFF\xE0\0\x10JFIF\0".as_slice(), PK].concat(),
            422,
            "picture_unreadable",
        ),
        (
            [b"\x89PNG\r\n\x1A\n".as_slice(), script].concat(),
            422,
            "picture_unreadable",
        ),
        (b"RIFF\0\0\0\0WEBPVP8L".to_vec(), 422, "picture_unreadable"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(),
            415,
            "unsupported_media_type",
        ),
        (script.to_vec(), 415, "unsupported_media_type"),
        (b"GIF89a\x01\0\x01\0".to_vec(), 415, "unsupported_media_type"),
        (b"\0\0\0\x20ftypheic".to_vec(), 415, "unsupported_media_type"),
        (Vec::new(), 415, "unsupported_media_type"),
    ] {
        send(&t, &tenant.member_a, &id, "image/jpeg", bytes)
            .await
            .refused(status, code);
    }
    for content_type in [
        "image/svg+xml",
        "text/html",
        "application/json",
        "multipart/form-data",
        "",
    ] {
        send(&t, &tenant.member_a, &id, content_type, jpeg(8, 8))
            .await
            .refused(415, "unsupported_media_type");
    }
    // What hides behind a good picture is not kept.
    let polyglot = [jpeg(20, 10).as_slice(), script, PK].concat();
    send(&t, &tenant.member_a, &id, "image/jpeg", polyglot)
        .await
        .expect(201);
    let kept = pictures(&t, &tenant.member_a, &id).await.remove(0);
    assert!(kept.ends_with(b"\xFF\xD9") && !kept.windows(7).any(|part| part == b"<script"));
    assert_eq!((files_in(&t), t.count("media_files").await), (1, 1));
}

const PK: &[u8] = b"PK\x03\x04 a zip";

/// Not a byte of the body is sent, so the answer cannot have waited for one.
#[actix_web::test]
async fn eleven_mebibytes_are_refused_unread() {
    let t = TestApp::start().await;
    let (tenant, id) = begun(&t).await;
    let mut stream = tokio::net::TcpStream::connect(t.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let head = format!(
        "POST /api/v1/reflections/{id}/pictures HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: image/jpeg\r\ncontent-length: {}\r\n\r\n",
        tenant.member_a,
        11 << 20
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    let n = stream.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..n]).into_owned();
    assert!(
        text.starts_with("HTTP/1.1 413") && text.contains("\"limit_bytes\":10485760"),
        "{text}"
    );
    // One that does not say how long it is, is cut off.
    let pieces = futures_util::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(vec![0xFF_u8; 1 << 20])));
    let request = t.request(
        Method::POST,
        &format!("/reflections/{id}/pictures"),
        &tenant.member_a,
    );
    let request = request.header("content-type", "image/jpeg");
    let sent = request.body(reqwest::Body::wrap_stream(pieces)).send().await;
    assert!(sent.map_or(true, |reply| reply.status() == 413));
    assert_eq!(t.count("media_files").await, 0);
}

#[actix_web::test]
async fn pictures_are_the_authors_and_what_was_approved_is_read_again() {
    let t = TestApp::start().await;
    let (tenant, id) = begun(&t).await;
    let one = format!("/reflections/{id}");
    for (token, status) in [
        (&tenant.organizer_a, 403),
        (&tenant.admin, 403),
        (&tenant.member_b, 404),
    ] {
        assert_eq!(add(&t, token, &id).await.status, status);
    }
    for number in 1..=9 {
        assert_eq!(
            add(&t, &tenant.member_a, &id).await.expect(201).json["number"],
            number
        );
    }
    let tenth = add(&t, &tenant.member_a, &id).await;
    assert_eq!(tenth.refused(409, "limit_reached").json["limit"], 9);
    decide(&t, &tenant.organizer_a, &id, "approve").await.expect(200);
    let secretary = t.get(&one, &tenant.secretary_a).await.expect(200);
    assert_eq!(secretary.json["pictures"].as_array().unwrap().len(), 9);
    let url = t.here(secretary.json["pictures"][4]["url"].as_str().unwrap());

    // Taken away, it is gone, its number is not given again, and what is left stays published.
    let fifth = format!("{one}/pictures/5");
    t.delete(&fifth, &tenant.secretary_a)
        .await
        .refused(403, "forbidden");
    t.delete(&fifth, &tenant.member_b).await.refused(404, "not_found");
    for wrong in ["0", "10", "x", "99999999999"] {
        t.delete(&format!("{one}/pictures/{wrong}"), &tenant.member_a)
            .await
            .refused(404, "not_found");
    }
    t.delete(&fifth, &tenant.member_a).await.expect(204);
    t.delete(&fifth, &tenant.member_a).await.refused(404, "not_found");
    t.get(&url, "").await.refused(404, "not_found");
    let seen = t.get(&one, &tenant.secretary_a).await.expect(200);
    let numbers = |seen: &Reply| -> Vec<i64> {
        let pictures = seen.json["pictures"].as_array().unwrap().iter();
        pictures
            .map(|picture| picture["number"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(
        (seen.text("/status"), numbers(&seen)),
        ("published".into(), vec![1, 2, 3, 4, 6, 7, 8, 9])
    );
    t.app.media.sweep().await.unwrap();
    assert_eq!(files_in(&t), 8);
    // A new one was not read by anybody.
    assert_eq!(
        add(&t, &tenant.member_a, &id).await.expect(201).json["number"],
        10
    );
    let seen = t.get(&one, &tenant.member_a).await.expect(200);
    assert_eq!(
        (seen.text("/status"), numbers(&seen)),
        ("pending".into(), vec![1, 2, 3, 4, 6, 7, 8, 9, 10])
    );
    t.act(&format!("{one}/withdraw"), &tenant.member_a)
        .await
        .expect(200);
    add(&t, &tenant.member_a, &id)
        .await
        .refused(409, "reflection_status");

    // Nobody finds them among the files of lessons.
    let listed = t.get("/media?count=true", &tenant.secretary_a).await.expect(200);
    assert_eq!((listed.items().len(), &listed.json["count"]), (0, &json!(0)));
    let media = t.here(seen.json["pictures"][0]["url"].as_str().unwrap());
    let media = media
        .split("/media/")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    for token in [
        &tenant.secretary_a,
        &tenant.admin,
        &tenant.system,
        &tenant.member_a,
    ] {
        t.get(&format!("/media/{media}"), token)
            .await
            .refused(404, "not_found");
        t.delete(&format!("/media/{media}"), token)
            .await
            .refused(404, "not_found");
    }
    let lesson = json!({ "organization_id": tenant.branch_a, "kind": "article", "title": "x", "body": "x", "attachments": [media] });
    t.post("/lessons", &tenant.admin, lesson)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn the_same_key_adds_one_picture_and_a_refused_one_leaves_no_file() {
    let t = TestApp::start().await;
    let (tenant, id) = begun(&t).await;
    let (replica, stop) = t.replica().await;
    let path = format!("/reflections/{id}/pictures");
    let send = |server: &str, key: String, bytes: Vec<u8>| {
        let request = t.request(Method::POST, &format!("{server}/api/v1{path}"), &tenant.member_a);
        let request = request
            .header("content-type", "image/jpeg")
            .header("idempotency-key", key);
        Reply::of(request.body(bytes))
    };
    let picture = jpeg(30, 20);
    let all = join_all((0..6).map(|n| {
        let server = if n % 2 == 0 { &replica } else { &t.url };
        send(server, "one".into(), picture.clone())
    }))
    .await;
    for reply in &all {
        assert_eq!(
            (reply.status, &reply.json),
            (201, &json!({ "number": 1, "width": 30, "height": 20 }))
        );
    }
    let replayed = all
        .iter()
        .filter(|reply| reply.header("idempotency-replayed") == "true");
    assert_eq!(replayed.count(), 5);
    send(&t.url, "one".into(), jpeg(31, 20))
        .await
        .refused(422, "idempotency_key_reused");
    assert_eq!(files_in(&t), 1);
    // Of many at once nine stay.
    let all = join_all((0..14).map(|n| {
        let server = if n % 2 == 0 { &replica } else { &t.url };
        send(server, format!("many-{n}"), picture.clone())
    }))
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(|reply| reply.status == 201);
    assert_eq!((made.len(), refused.len()), (8, 6));
    for reply in refused {
        reply.refused(409, "limit_reached");
    }
    assert_eq!(
        (pictures(&t, &tenant.member_a, &id).await.len(), files_in(&t)),
        (9, 9)
    );
    let unused = "media_files WHERE deleted_at IS NULL AND state <> 'ready'";
    assert_eq!(t.count(unused).await, 0);
    stop.stop(false).await;
}

#[actix_web::test]
async fn pictures_count_for_the_trees_room() {
    let t = TestApp::start_with(|config| config.media.quota_bytes = 2_000).await;
    let (tenant, id) = begun(&t).await;
    add(&t, &tenant.member_a, &id).await.expect(201);
    let sent = send(&t, &tenant.member_a, &id, "image/png", png(800, 800)).await;
    assert_eq!(
        sent.refused(413, "media_quota_exceeded").json["quota_bytes"],
        2_000
    );
    assert_eq!(files_in(&t), 1);
    t.delete(&format!("/reflections/{id}/pictures/1"), &tenant.member_a)
        .await
        .expect(204);
    add(&t, &tenant.member_a, &id).await.expect(201);
}
