//! The folder of files: `uploads/<id>.part` while one arrives, `files/<tenant>/<id>` once it is known what it is.
//! Names are made here and from ids alone. Blocking.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::MediaId;
use crate::organizations::OrganizationId;

#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn part(&self, id: MediaId) -> PathBuf {
        self.root.join("uploads").join(format!("{id}.part"))
    }

    /// Below `files`, as nginx is told too.
    pub fn name(tenant: OrganizationId, id: MediaId) -> String {
        format!("{tenant}/{id}")
    }

    fn stored(&self, tenant: OrganizationId, id: MediaId) -> PathBuf {
        self.root.join("files").join(Self::name(tenant, id))
    }

    /// The part of an upload, for one writer: none while another has it, in this process or in another one. The lock is
    /// the file's own, so whoever ends, ends it.
    pub fn lock_part(&self, id: MediaId) -> io::Result<Option<File>> {
        let path = self.part(id);
        std::fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        Self::lock(
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?,
        )
    }

    /// The same of one that is complete: where it is not there, it was moved before.
    pub fn lock_whole(&self, id: MediaId) -> io::Result<Option<File>> {
        Self::lock(File::open(self.part(id))?)
    }

    fn lock(file: File) -> io::Result<Option<File>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Moves a complete part to where it is served from, on disk for good. Done before: nothing more to do.
    pub fn keep(&self, tenant: OrganizationId, id: MediaId) -> io::Result<()> {
        let (from, to) = (self.part(id), self.stored(tenant, id));
        let folder = to.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)?;
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
            moved => moved?,
        }
        for changed in [Some(folder), folder.parent(), from.parent()]
            .into_iter()
            .flatten()
        {
            File::open(changed)?.sync_all()?;
        }
        Ok(())
    }

    pub fn open(&self, tenant: OrganizationId, id: MediaId) -> io::Result<File> {
        File::open(self.stored(tenant, id))
    }

    /// Whatever there is of it.
    pub fn remove(&self, tenant: OrganizationId, id: MediaId) -> io::Result<()> {
        for path in [self.part(id), self.stored(tenant, id)] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_part_has_one_writer_and_moves_once_it_is_known() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let (tenant, id) = (
            OrganizationId(uuid::Uuid::from_u128(1)),
            MediaId(uuid::Uuid::from_u128(2)),
        );
        let mut first = folder.lock_part(id).unwrap().unwrap();
        first.write_all(b"abc").unwrap();
        assert!(folder.lock_part(id).unwrap().is_none());
        drop(first);
        assert!(folder.lock_part(id).unwrap().is_some());
        assert!(folder.open(tenant, id).is_err());
        folder.keep(tenant, id).unwrap();
        folder.keep(tenant, id).unwrap();
        assert_eq!(
            std::io::read_to_string(folder.open(tenant, id).unwrap()).unwrap(),
            "abc"
        );
        folder.remove(tenant, id).unwrap();
        folder.remove(tenant, id).unwrap();
        assert!(folder.open(tenant, id).is_err() && folder.keep(tenant, id).is_err());
    }
}
