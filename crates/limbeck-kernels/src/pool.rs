//! Work on a thread of the pool.

use crate::Bodies;

/// Does `work` on a thread of rayon's pool, with the bodies of the calling thread. Operations that hand out pieces of
/// work from there wake the other threads only; from outside they would hand over everything, and wait.
pub fn on_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let bodies = Bodies::current();
    rayon::scope(|_| bodies.during(work))
}
