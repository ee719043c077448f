//! Asking together: a thousand agents that ask the same at one time need one statement, not a thousand.
//!
//! The first who comes begins at once. Who comes while a statement is under way waits for the next, together with all
//! who come meanwhile; so no answer is older than its question.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OnceCell, Semaphore};

use crate::error::{Result, StoreError};

/// Questions that are answered at one time, and their answers.
struct Batch<Question, Answers> {
    questions: Mutex<Vec<Question>>,
    /// None inside if answering failed.
    answers: OnceCell<Option<Answers>>,
}

impl<Question, Answers> Default for Batch<Question, Answers> {
    fn default() -> Self {
        Self {
            questions: Mutex::default(),
            answers: OnceCell::new(),
        }
    }
}

/// The questions of one sort that wait for their turn.
pub(crate) struct Together<Question, Answers> {
    waiting: Mutex<Arc<Batch<Question, Answers>>>,
    /// One at a time: whoever waits here waits in company.
    turn: Semaphore,
}

impl<Question, Answers> Default for Together<Question, Answers> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }
}

impl<Question: Ord + Clone, Answers: Clone> Together<Question, Answers> {
    /// Asks together with others by `answer`, which is given every question once, in order.
    pub(crate) async fn ask<F: Future<Output = Result<Answers>>>(
        &self,
        question: Question,
        answer: impl FnOnce(Vec<Question>) -> F,
    ) -> Result<Answers> {
        let batch = self.join(question);
        let mut failure = None;
        let answered = batch.answers.get_or_init(|| async {
            // Nobody closes it, so there is always a turn.
            let turn = self.turn.acquire().await;
            let answers = answer(self.close(&batch)).await;
            drop(turn);
            answers.map_err(|error| failure = Some(error)).ok()
        });
        let answers = answered.await.clone();
        // Who asked the database knows why it failed; who waited for it is told to try again.
        answers.ok_or_else(|| failure.unwrap_or(StoreError::Unavailable(sqlx::Error::PoolTimedOut)))
    }

    fn join(&self, question: Question) -> Arc<Batch<Question, Answers>> {
        let waiting = lock(&self.waiting);
        lock(&waiting.questions).push(question);
        waiting.clone()
    }

    /// Nobody joins it from now on.
    fn close(&self, batch: &Arc<Batch<Question, Answers>>) -> Vec<Question> {
        let mut waiting = lock(&self.waiting);
        if Arc::ptr_eq(&waiting, batch) {
            *waiting = Arc::default();
        }
        let mut questions = lock(&batch.questions).clone();
        questions.sort_unstable();
        questions.dedup();
        questions
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures_util::future::join_all;

    use super::Together;
    use crate::error::StoreError;

    #[tokio::test]
    async fn who_comes_meanwhile_is_answered_together_with_all_who_did() {
        let together = Together::<u32, BTreeSet<u32>>::default();
        let statements = AtomicUsize::new(0);
        let ask = |question| {
            together.ask(question, async |questions: Vec<u32>| {
                statements.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(questions.into_iter().collect())
            })
        };
        let answers =
            join_all((0..1_000).map(|number| async move { (number / 2, ask(number / 2).await) })).await;
        for (question, answers) in answers {
            assert!(answers.expect("answers").contains(&question));
        }
        assert!(statements.into_inner() <= 3);
    }

    #[tokio::test]
    async fn nothing_is_answered_by_what_began_before_the_question() {
        let together = Together::<(), usize>::default();
        let began = AtomicUsize::new(0);
        let ask = || together.ask((), async |_| Ok(began.fetch_add(1, Ordering::Relaxed)));
        assert_eq!(ask().await.expect("an answer"), 0);
        assert_eq!(ask().await.expect("an answer"), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_waited_and_to_nobody_else() {
        let together = Together::<u32, ()>::default();
        let fail = |number| {
            together.ask(number, async |_: Vec<u32>| {
                tokio::task::yield_now().await;
                Err(StoreError::Unavailable(sqlx::Error::WorkerCrashed))
            })
        };
        for failed in join_all((0..3).map(fail)).await {
            assert!(matches!(failed, Err(StoreError::Unavailable(_))));
        }
        together.ask(9, async |_| Ok(())).await.expect("an answer");
    }
}
