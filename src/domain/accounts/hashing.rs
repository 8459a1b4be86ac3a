//! Hashing of passwords: slow on purpose, so it runs off the async threads, a few at a time, and only so many wait.

use super::error::Error;
use super::model::PASSWORD_MAX;
use crate::error::{Failure, Fault};
use crate::random;
use bcrypt::Version;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Salt and hash of a password that nobody has, behind version and cost: what an unknown user's password is compared
/// with, so that it takes as long as a known one's.
const NOBODY: &str = "abcdefghijklmnopqrstuu5Ls6yMGXGBOYMO39ExQmjVaqs9FfzPe";

/// Hashes and checks passwords.
#[derive(Clone, Debug)]
pub struct Hasher {
    cost: u32,
    /// Admits those who are hashed and those who wait.
    admitted: Arc<Semaphore>,
    /// Admits those who are hashed.
    running: Arc<Semaphore>,
}

impl Hasher {
    /// At most `concurrency` passwords are hashed at a time while at most `queue_max` wait.
    #[must_use]
    pub fn new(cost: u32, concurrency: usize, queue_max: usize) -> Self {
        let admitted = concurrency.saturating_add(queue_max);
        Self {
            cost,
            admitted: Arc::new(Semaphore::new(admitted.min(Semaphore::MAX_PERMITS))),
            running: Arc::new(Semaphore::new(concurrency)),
        }
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub async fn hash(&self, password: &str) -> Result<String, Failure<Error>> {
        let (password, cost) = (password.to_owned(), self.cost);
        let hashed = self
            .run(move || bcrypt::hash_with_salt(password, cost, random::bytes()))
            .await?;
        let parts = hashed.map_err(Fault::doing("hashing a password"))?;
        Ok(parts.format_for_version(Version::TwoB))
    }

    /// Whether a password is the one behind `hash`. Without a hash the answer is no, and takes as long.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Failure<Error>> {
        // What bcrypt would cut off or read as an end cannot be anybody's password.
        let possible = password.len() <= PASSWORD_MAX && !password.contains('\0');
        let known = hash.is_some() && possible;
        let nobody = || format!("$2b${:02}${NOBODY}", self.cost);
        let hash = hash.map_or_else(nobody, str::to_owned);
        let password = password.to_owned();
        let matches = self.run(move || bcrypt::verify(password, &hash)).await?;
        let matches = matches.map_err(Fault::doing("checking a password"))?;
        Ok(matches && known)
    }

    /// Runs slow work in its turn. The permits go with the work: a caller who gives up does not let the next one
    /// begin while the processor is still busy with the first.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure<Error>> {
        let Ok(admitted) = Arc::clone(&self.admitted).try_acquire_owned() else {
            metrics::counter!("tradepost_password_overloads_total").increment(1);
            return Err(Error::Overloaded.into());
        };
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(Fault::doing("waiting for a password's turn"))?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop((running, admitted));
            result
        })
        .await
        .map_err(|error| Fault::doing("working on a password")(error).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn at_most_so_many_run_and_so_many_wait() {
        let hasher = Hasher::new(4, 2, 3);
        let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let results = futures::future::join_all((0..20).map(|_| {
            let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
            hasher.run(move || {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                now.fetch_sub(1, Ordering::SeqCst);
            })
        }))
        .await;
        let refused = results
            .iter()
            .filter(|result| matches!(result, Err(Failure::Refused(errors)) if errors == &[Error::Overloaded]))
            .count();
        assert_eq!((refused, peak.load(Ordering::SeqCst)), (15, 2));
        assert!(hasher.run(|| ()).await.is_ok(), "the queue is free again");
    }

    #[tokio::test]
    async fn a_password_is_found_only_whole() {
        let hasher = Hasher::new(4, 1, 1);
        let long = "a".repeat(72);
        let hash = hasher.hash(&long).await.unwrap();
        assert!(hasher.verify(&long, Some(&hash)).await.unwrap());
        assert!(
            !hasher
                .verify(&format!("{long}b"), Some(&hash))
                .await
                .unwrap()
        );
        assert!(!hasher.verify(&long, None).await.unwrap());
        let hash = hasher.hash("abcdefgh").await.unwrap();
        assert!(
            !hasher
                .verify("abcdefgh\0abcdefgh", Some(&hash))
                .await
                .unwrap()
        );
    }
}
