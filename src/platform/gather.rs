//! Questions that come while others are being answered are asked together: with everybody at it at once the round trips are few,
//! and with one alone nothing waits.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Questions that are asked at once: whoever answers serves nobody else meanwhile.
const MOST: usize = 128;

struct Waiting<Q, A> {
    question: Q,
    told: oneshot::Sender<A>,
}

type Queues<K, Q, A> = HashMap<K, Vec<Waiting<Q, A>>>;

/// Those who wait, by what they ask about. What is here is being asked, whether or not anybody else waits.
pub struct Gather<K, Q, A>(Arc<Mutex<Queues<K, Q, A>>>);

impl<K, Q, A> Clone for Gather<K, Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, Q, A> Default for Gather<K, Q, A> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, Q, A> Gather<K, Q, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    Q: Send + 'static,
    A: Send + 'static,
{
    /// `ask` answers as many as it is asked, in their order, or none of them: then nobody who waits is answered, and need not wait
    /// as long again.
    pub async fn ask<W, F>(&self, about: &K, question: Q, ask: W) -> Option<A>
    where
        W: Fn(K, Vec<Q>) -> F + Send + 'static,
        F: Future<Output = Option<Vec<A>>> + Send + 'static,
    {
        let (told, answer) = oneshot::channel();
        let waiting = Waiting { question, told };
        let is_first = {
            let mut queues = self.lock();
            let is_first = !queues.contains_key(about);
            queues.entry(about.clone()).or_default().push(waiting);
            is_first
        };
        if is_first {
            let asking = Asking {
                gather: self.clone(),
                about: about.clone(),
                is_over: false,
            };
            // On its own, since who asked first may go away.
            tokio::spawn(asking.ask_all(ask));
        }
        answer.await.ok()
    }
}

impl<K, Q, A> Gather<K, Q, A> {
    fn lock(&self) -> MutexGuard<'_, Queues<K, Q, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that asks. If it ends while somebody waits, they have no answer; the next who comes begins anew.
struct Asking<K: Eq + Hash, Q, A> {
    gather: Gather<K, Q, A>,
    about: K,
    is_over: bool,
}

impl<K: Clone + Eq + Hash, Q, A> Asking<K, Q, A> {
    async fn ask_all<W, F>(mut self, ask: W)
    where
        W: Fn(K, Vec<Q>) -> F,
        F: Future<Output = Option<Vec<A>>>,
    {
        while let Some(waiting) = self.next() {
            let (questions, tellers): (Vec<Q>, Vec<_>) =
                waiting.into_iter().map(|one| (one.question, one.told)).unzip();
            let Some(answers) = ask(self.about.clone(), questions).await else {
                return;
            };
            for (told, answer) in tellers.into_iter().zip(answers) {
                // Who has gone away needs no answer.
                let _ = told.send(answer);
            }
        }
    }

    /// Some who wait; none, and nobody asks any more.
    fn next(&mut self) -> Option<Vec<Waiting<Q, A>>> {
        let mut queues = self.gather.lock();
        let waiting = queues.get_mut(&self.about)?;
        if waiting.is_empty() {
            queues.remove(&self.about);
            // From here on it is somebody else's.
            self.is_over = true;
            return None;
        }
        let rest = waiting.split_off(waiting.len().min(MOST));
        Some(std::mem::replace(waiting, rest))
    }
}

impl<K: Eq + Hash, Q, A> Drop for Asking<K, Q, A> {
    fn drop(&mut self) {
        if !self.is_over {
            self.gather.lock().remove(&self.about);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// Doubles what it is asked, and counts how often it is; of an odd number it knows nothing.
    fn doubling(
        asked: &Arc<AtomicUsize>,
    ) -> impl Fn(&'static str, Vec<usize>) -> std::future::Ready<Option<Vec<usize>>> + Send + use<> {
        let asked = asked.clone();
        move |_, numbers| {
            asked.fetch_add(1, Ordering::Relaxed);
            let known = numbers.iter().all(|number| number % 2 == 0);
            std::future::ready(known.then(|| numbers.iter().map(|number| number * 2).collect()))
        }
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_is_answered_together_and_each_what_they_asked() {
        let (gather, asked) = (Gather::default(), Arc::default());
        let all = (0..300).map(|n| gather.ask(&"evens", 2 * n, doubling(&asked)));
        let answers = join_all(all).await;
        assert!(answers.iter().zip(0..).all(|(answer, n)| *answer == Some(4 * n)));
        assert_eq!(asked.load(Ordering::Relaxed), 3, "128, 128 and 44");
        assert!(gather.lock().is_empty(), "nothing is left of those who have gone");
    }

    #[tokio::test]
    async fn where_nobody_is_answered_nobody_waits_and_the_next_are_asked_anew() {
        let (gather, asked) = (Gather::default(), Arc::default());
        let all = (0..300).map(|n| gather.ask(&"odd", n, doubling(&asked)));
        assert_eq!(join_all(all).await, vec![None; 300]);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(gather.ask(&"odd", 2, doubling(&asked)).await, Some(4));
    }
}
