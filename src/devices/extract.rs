//! Who shows this: `RoomDevice` for a device alone, `Viewer` for somebody signed in or a device. A device's token is
//! looked up at each request, at what is committed: devices are few, and a revoked one stops at once.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use super::rules::{Purpose, RoomDevice};
use super::service;
use crate::app::{App, Ctx};
use crate::auth::{Stay, credentials};
use crate::platform::db::{DbConnection, Fence};
use crate::platform::error::{AppError, AppResult};

const SCHEME: &str = "device";

/// For the few operations that a device of a room may use as well as a person.
pub enum Viewer {
    Person(Stay),
    Device(RoomDevice),
}

impl Viewer {
    pub fn ctx(&self, app: &App) -> Ctx {
        match self {
            Self::Person(person) => app.ctx(person.actor.clone()),
            Self::Device(device) => device_ctx(app, *device),
        }
    }

    /// 403 for a device that is not for this. A person's rights are the service's to ask for.
    pub fn require(&self, purpose: Purpose) -> AppResult<()> {
        match self {
            Self::Person(_) => Ok(()),
            Self::Device(device) => device.require(purpose),
        }
    }

    /// At what is committed: a replica that lags behind may not know the device, or the right, yet, or still know it.
    pub async fn read<T, F>(&self, app: &App, look: F) -> AppResult<T>
    where
        F: Fn(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        app.db.read_fresh(look).await
    }

    pub fn is_device(&self) -> bool {
        matches!(self, Self::Device(_))
    }

    /// As far as memory tells: of a device, only the database does.
    pub fn is_valid(&self, app: &App) -> bool {
        match self {
            Self::Person(person) => person.is_valid(app),
            Self::Device(_) => true,
        }
    }

    /// A device that watches for hours is seen meanwhile.
    pub async fn note_seen(&mut self, app: &App) {
        if let Self::Device(device) = self {
            note_seen(app, device).await;
        }
    }
}

/// What a device asks is asked by its id, which has no rights where people's are looked up.
pub fn device_ctx(app: &App, device: RoomDevice) -> Ctx {
    Ctx {
        device: Some(device),
        ..app.ctx(device.actor())
    }
}

type Found<T> = Pin<Box<dyn Future<Output = AppResult<T>>>>;

impl FromRequest for Viewer {
    type Error = AppError;
    type Future = Found<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if credentials(request, SCHEME).is_some() {
            let device = RoomDevice::from_request(request, payload);
            Box::pin(async move { device.await.map(Self::Device) })
        } else {
            let person = Stay::from_request(request, payload);
            Box::pin(async move { person.await.map(Self::Person) })
        }
    }
}

impl FromRequest for RoomDevice {
    type Error = AppError;
    type Future = Found<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = request
                .app_data::<web::Data<App>>()
                .ok_or_else(|| AppError::internal("no App in the app data"))?;
            let token = credentials(&request, SCHEME).ok_or_else(AppError::unauthorized)?;
            let device = authenticate(app, token).await?;
            if let Some(tenant) = device.actor().tenant {
                Fence::shut(tenant.0);
            }
            // The audit of refused access reads it from there.
            request.extensions_mut().insert(device);
            Ok(device)
        })
    }
}

async fn authenticate(app: &App, token: &str) -> AppResult<RoomDevice> {
    let (now, token) = (app.clock.now(), token.to_owned());
    let found = app
        .db
        .read_fresh(move |conn| service::find_by_token(conn, now, &token))
        .await?;
    let mut device = found.ok_or_else(AppError::unauthorized)?;
    note_seen(app, &mut device).await;
    Ok(device)
}

/// What a device came for goes on, whether or not it could be noted.
async fn note_seen(app: &App, device: &mut RoomDevice) {
    let (now, id) = (app.clock.now(), device.id);
    if !device.is_seen_anew(now) {
        return;
    }
    device.last_seen_at = Some(now);
    if let Err(error) = app.db.write(move |conn| service::note_seen(conn, now, id)).await {
        tracing::warn!(%error, device = %id, "that a device was seen could not be noted");
    }
}
