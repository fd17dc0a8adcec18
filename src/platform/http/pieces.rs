//! A long answer in pieces: for each the connection waits until the last is on its way, so that a reader who does not read,
//! or who asks for many at once, occupies little memory (RELIABILITY.md P15). A body of one piece is copied whole.

use std::convert::Infallible;

use actix_web::body::{BoxBody, MessageBody, SizedStream};
use bytes::Bytes;
use futures_util::stream;

const LONG: usize = 64 * 1024;
const PIECE: usize = 32 * 1024;

pub fn in_pieces(body: BoxBody) -> BoxBody {
    match body.try_into_bytes() {
        Ok(bytes) if bytes.len() > LONG => {
            let length = bytes.len() as u64;
            SizedStream::new(length, stream::iter(pieces(bytes))).boxed()
        }
        Ok(bytes) => BoxBody::new(bytes),
        Err(body) => body,
    }
}

fn pieces(mut rest: Bytes) -> impl Iterator<Item = Result<Bytes, Infallible>> {
    std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some(Ok(piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::{BodySize, to_bytes};

    #[actix_web::test]
    async fn nothing_is_lost_on_the_way() {
        for length in [0, 1, LONG, LONG + 1, 3 * PIECE, 10 * PIECE + 7] {
            let whole: Bytes = (0..length).map(|n| n as u8).collect();
            let body = in_pieces(BoxBody::new(whole.clone()));
            assert_eq!(body.size(), BodySize::Sized(length as u64));
            assert_eq!(to_bytes(body).await.unwrap(), whole);
        }
    }
}
