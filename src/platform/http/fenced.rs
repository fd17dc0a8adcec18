//! A body that is made while it is sent, behind the fence of its request.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

use crate::platform::db::Fence;

pub fn fenced(body: BoxBody) -> BoxBody {
    match (Fence::current(), body.size()) {
        (fence @ Fence::Tenant(_), BodySize::Stream) => BoxBody::new(Fenced { fence, body }),
        _ => body,
    }
}

struct Fenced {
    fence: Fence,
    body: BoxBody,
}

impl MessageBody for Fenced {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let fence = self.fence;
        fence.during(|| Pin::new(&mut self.body).poll_next(cx))
    }
}
