//! What lines are called: asked once for all who look at the same time, and remembered until something changes in their tree.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;

use super::permits::Permits;
use super::rules::{Board, Unit};
use super::service;
use super::store::NameRow;
use crate::platform::db::{Db, DbConnection};
use crate::platform::error::{AppError, AppResult};
use crate::platform::gather::Gather;

const MOST: u64 = 100_000;
const KEPT: Duration = Duration::from_secs(60);

/// By the id of a line; some may be missing.
pub type LineNames = HashMap<Uuid, Arc<NameRow>>;

#[derive(Clone)]
pub struct Names {
    db: Db,
    permits: Permits,
    kept: Cache<Key, Kept>,
    asked: Gather<Kind, Vec<Uuid>, Arc<LineNames>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Members,
    Branches,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    id: Uuid,
}

#[derive(Clone)]
struct Kept {
    row: Arc<NameRow>,
    /// How much had changed in the tree before it was read.
    changes: u64,
}

impl Names {
    pub fn new(db: Db, permits: Permits) -> Self {
        Self {
            db,
            permits,
            kept: Cache::builder().max_capacity(MOST).time_to_live(KEPT).build(),
            asked: Gather::default(),
        }
    }

    /// The names of some lines of a board.
    pub async fn of(&self, board: &Board, ids: Vec<Uuid>) -> AppResult<LineNames> {
        let kind = match board.unit {
            Unit::Members => Kind::Members,
            Unit::BranchTotals | Unit::BranchAverages => Kind::Branches,
        };
        // What changes while it is read may be missing in it: then it is of no use later.
        let changes = self.permits.known_changes(board.tenant);
        let (mut names, mut unknown) = (LineNames::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match self.kept.get(&Key { kind, id }).await {
                Some(kept) if Some(kept.changes) == changes => drop(names.insert(id, kept.row)),
                _ => unknown.push(id),
            }
        }
        if unknown.is_empty() {
            return Ok(names);
        }
        let told = self.ask(kind, unknown.clone()).await?;
        for id in unknown {
            let Some(row) = told.get(&id) else { continue };
            names.insert(id, row.clone());
            if let Some(changes) = changes {
                let row = row.clone();
                self.kept.insert(Key { kind, id }, Kept { row, changes }).await;
            }
        }
        Ok(names)
    }

    /// These, and those of others who ask at the same time.
    async fn ask(&self, kind: Kind, ids: Vec<Uuid>) -> AppResult<Arc<LineNames>> {
        let db = self.db.clone();
        let ask = move |kind, asked: Vec<Vec<Uuid>>| {
            let db = db.clone();
            async move {
                let (who, mut ids) = (asked.len(), asked.concat());
                ids.sort_unstable();
                ids.dedup();
                let read = move |conn: &mut DbConnection| read(conn, kind, &ids);
                let told = db.read_fresh(read).await.inspect_err(|error| {
                    tracing::warn!(%error, "cannot read what the lines of a leaderboard are called");
                });
                let names = Arc::new(told.ok()?);
                Some(vec![names; who])
            }
        };
        let told = self.asked.ask(&kind, ids, ask).await;
        told.ok_or_else(AppError::unavailable)
    }
}

fn read(conn: &mut DbConnection, kind: Kind, ids: &[Uuid]) -> AppResult<LineNames> {
    let rows = match kind {
        Kind::Members => service::member_names(conn, ids)?,
        Kind::Branches => service::branch_names(conn, ids)?,
    };
    Ok(rows.into_iter().map(|row| (row.id.0, Arc::new(row))).collect())
}
