//! Files in a bucket of an S3-compatible service instead of the folder. Uploads still arrive in the folder, which a
//! bucket cannot do: it takes no byte after the others. Names are as in the folder.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
    RetryConfig,
};

use super::MediaId;
use super::files::Folder;
use super::uploads::blocking;
use crate::organizations::OrganizationId;
use crate::platform::config::BucketConfig;
use crate::platform::error::{AppError, AppResult};

/// In memory of one file that is sent. S3 takes 10,000 parts of 5 MiB or more.
const PART: u64 = 16 << 20;

#[derive(Clone)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
}

impl Bucket {
    /// Credentials come from the environment, as all tools for S3 have them: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
    pub fn open(config: &BucketConfig) -> Result<Self, object_store::Error> {
        // The one that main installs; a program that is no `main` of ours has none yet.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&config.name)
            .with_client_options(ClientOptions::new().with_connect_timeout(Duration::from_secs(5)))
            .with_retry(RetryConfig {
                max_retries: 3,
                retry_timeout: Duration::from_secs(30),
                ..RetryConfig::default()
            });
        if let Some(endpoint) = &config.endpoint {
            builder = builder
                .with_endpoint(endpoint)
                .with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some(region) = &config.region {
            builder = builder.with_region(region);
        }
        Ok(Self {
            store: Arc::new(builder.build()?),
            prefix: config.prefix.clone(),
        })
    }

    fn path(&self, tenant: OrganizationId, id: MediaId) -> Path {
        Path::from(format!("{}/{}", self.prefix, Folder::name(tenant, id)))
    }

    /// Sends a whole file; it is there when all of it is.
    pub async fn put(
        &self,
        tenant: OrganizationId,
        id: MediaId,
        file: Arc<File>,
        size: u64,
    ) -> AppResult<()> {
        let path = self.path(tenant, id);
        let mut upload = self.store.put_multipart(&path).await.map_err(no_bucket)?;
        let sent = send(upload.as_mut(), &file, size).await;
        if sent.is_err() {
            let _ = upload.abort().await;
        }
        sent
    }

    /// The bytes from the first to the last one, as they come.
    pub async fn get(
        &self,
        tenant: OrganizationId,
        id: MediaId,
        first: u64,
        last: u64,
    ) -> AppResult<BoxStream<'static, object_store::Result<Bytes>>> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(first..last + 1)),
            ..GetOptions::default()
        };
        let got = self.store.get_opts(&self.path(tenant, id), options).await;
        Ok(got.map_err(no_bucket)?.into_stream())
    }

    pub async fn remove(&self, tenant: OrganizationId, id: MediaId) -> AppResult<()> {
        match self.store.delete(&self.path(tenant, id)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            removed => removed.map_err(no_bucket),
        }
    }

    /// For `zhibu doctor`: does it answer?
    pub async fn is_there(&self) -> Result<(), object_store::Error> {
        let nothing = Path::from(format!("{}/.zhibu-doctor", self.prefix));
        self.store.put(&nothing, PutPayload::from_static(b"x")).await?;
        self.store.delete(&nothing).await
    }
}

async fn send(upload: &mut dyn MultipartUpload, file: &Arc<File>, size: u64) -> AppResult<()> {
    let mut at = 0;
    while at < size {
        let (file, length) = (file.clone(), PART.min(size - at));
        let part = blocking(move || {
            let mut part = vec![0; usize::try_from(length).unwrap_or_default()];
            file.read_exact_at(&mut part, at)?;
            Ok(Bytes::from(part))
        });
        upload.put_part(part.await?.into()).await.map_err(no_bucket)?;
        at += length;
    }
    upload.complete().await.map_err(no_bucket)?;
    Ok(())
}

/// Gone, slow or refusing: it may come back, and the client cannot mend it.
fn no_bucket(error: object_store::Error) -> AppError {
    AppError::unavailable().caused_by(format!("the media bucket: {error}"))
}
