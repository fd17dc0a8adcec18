//! Questions to a board that come while it answers others are asked together: with everybody at it at once the round trips
//! are few, and with one alone nothing waits.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{BoardKey, Found, Unavailable};

/// Questions that are asked at once: Redis serves nobody else meanwhile.
const MOST: usize = 128;

/// Who is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub id: Uuid,
    pub neighbours: u64,
}

struct Waiting {
    wanted: Wanted,
    told: oneshot::Sender<Result<Option<Found>, Unavailable>>,
}

/// Those who wait, by board. One that is here is being asked, whether or not anybody else waits.
#[derive(Clone, Default)]
pub struct Gather(Arc<Mutex<HashMap<BoardKey, Vec<Waiting>>>>);

impl Gather {
    /// `ask` answers as many as it is asked, in their order; none: there is no such board.
    pub async fn ask<A, F>(
        &self,
        board: &BoardKey,
        wanted: Wanted,
        ask: A,
    ) -> Result<Option<Found>, Unavailable>
    where
        A: Fn(BoardKey, Vec<Wanted>) -> F + Send + 'static,
        F: Future<Output = Result<Option<Vec<Found>>, Unavailable>> + Send + 'static,
    {
        let (told, answer) = oneshot::channel();
        let waiting = Waiting { wanted, told };
        let is_first = {
            let mut boards = self.lock();
            let is_first = !boards.contains_key(board);
            boards.entry(board.clone()).or_default().push(waiting);
            is_first
        };
        if is_first {
            let asking = Asking {
                gather: self.clone(),
                board: board.clone(),
                is_over: false,
            };
            // On its own, since who asked first may go away.
            tokio::spawn(asking.ask_all(ask));
        }
        answer.await.unwrap_or(Err(Unavailable))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BoardKey, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that asks a board. If it ends while somebody waits, they have no answer; the next who comes begins anew.
struct Asking {
    gather: Gather,
    board: BoardKey,
    is_over: bool,
}

impl Asking {
    async fn ask_all<A, F>(mut self, ask: A)
    where
        A: Fn(BoardKey, Vec<Wanted>) -> F,
        F: Future<Output = Result<Option<Vec<Found>>, Unavailable>>,
    {
        while let Some(waiting) = self.next() {
            let wanted = waiting.iter().map(|one| one.wanted).collect();
            let answer = ask(self.board.clone(), wanted).await;
            let mut found = match answer {
                Ok(found) => found.map(Vec::into_iter),
                // The others who wait hear it too, as this ends, and need not wait as long again.
                Err(Unavailable) => return,
            };
            for one in waiting {
                // Who has gone away needs no answer.
                let _ = one.told.send(Ok(found.as_mut().and_then(Iterator::next)));
            }
        }
    }

    /// Some who wait; none, and nobody asks any more.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut boards = self.gather.lock();
        let waiting = boards.get_mut(&self.board)?;
        if waiting.is_empty() {
            boards.remove(&self.board);
            // From here on it is somebody else's.
            self.is_over = true;
            return None;
        }
        let rest = waiting.split_off(waiting.len().min(MOST));
        Some(std::mem::replace(waiting, rest))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.is_over {
            self.gather.lock().remove(&self.board);
        }
    }
}
