//! The end of a run. What still waits for a server lets go, connections and all: the next run of the same process,
//! perhaps against another server, must not share the machine with what is left of this one.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Tasks that can be made to end.
#[derive(Default)]
pub struct Stop {
    stopped: Cell<bool>,
    /// Who is to be woken for the end; places of tasks that are done are taken again.
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
}

impl Stop {
    /// Starts a task that ends when it is done or when all are stopped, whichever comes first.
    pub fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        monoio::spawn(Stoppable { stop: self.clone(), task: Some(Box::pin(task)), place: None });
    }

    /// Makes all tasks end as soon as the runtime comes to them.
    pub fn stop(&self) {
        self.stopped.set(true);
        let wakers: Vec<_> = self.wakers.borrow().iter().flatten().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Tasks that are not done.
    pub fn running(&self) -> usize {
        self.wakers.borrow().len() - self.free.borrow().len()
    }

    fn enter(&self, waker: Waker) -> usize {
        let mut wakers = self.wakers.borrow_mut();
        if let Some(place) = self.free.borrow_mut().pop() {
            wakers.splice(place..=place, [Some(waker)]);
            return place;
        }
        wakers.push(Some(waker));
        wakers.len() - 1
    }

    fn leave(&self, place: usize) {
        if let Some(waker) = self.wakers.borrow_mut().get_mut(place) {
            *waker = None;
            self.free.borrow_mut().push(place);
        }
    }
}

/// A task until it is stopped. The runtime's waker of a task stays the same, so it is kept once.
struct Stoppable {
    stop: Rc<Stop>,
    task: Option<Pin<Box<dyn Future<Output = ()>>>>,
    place: Option<usize>,
}

impl Future for Stoppable {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.place.is_none() {
            this.place = Some(this.stop.enter(context.waker().clone()));
        }
        let over =
            this.stop.stopped.get() || this.task.as_mut().is_none_or(|task| task.as_mut().poll(context).is_ready());
        if !over {
            return Poll::Pending;
        }
        this.task = None;
        this.place.take().into_iter().for_each(|place| this.stop.leave(place));
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn tasks_end_when_they_are_done_or_stopped() {
        let test = async {
            let (stop, held) = (Rc::new(Stop::default()), Rc::new(()));
            for round in 0..3 {
                for _ in 0..2 {
                    stop.spawn(std::future::ready(()));
                    monoio::time::sleep(Duration::from_millis(1)).await;
                }
                let held = held.clone();
                stop.spawn(async move {
                    std::future::pending::<()>().await;
                    drop(held);
                });
                monoio::time::sleep(Duration::from_millis(1)).await;
                assert_eq!((stop.running(), Rc::strong_count(&stop)), (round + 1, round + 2));
            }
            assert!(stop.wakers.borrow().len() <= 4, "places are taken again");
            stop.stop();
            monoio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!((stop.running(), Rc::strong_count(&held)), (0, 1), "what they held is let go");
        };
        let runtime = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().enable_timer().build();
        runtime.unwrap().block_on(test);
    }
}
