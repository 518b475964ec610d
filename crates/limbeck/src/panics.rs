//! A panic is a defect of this program: one line that says so and where to report it, and exit code 3.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use crate::exit::Exit;

/// Longest message of a panic that is shown, in characters.
const LONGEST: usize = 300;

/// What the last panic said, and where. Panics that a library catches and turns into an error are never shown.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Does `work`; a panic in it, or in a thread it waits for, ends it with [`Exit::Broke`].
pub(crate) fn guarded(work: impl FnOnce() -> Exit) -> Exit {
    panic::set_hook(Box::new(|about| {
        let message = about.payload_as_str().unwrap_or("without a message");
        let place = about.location().map_or_else(String::new, |place| format!(" ({place})"));
        let said = limbeck::data::text::cut(&message.replace('\n', " "), LONGEST) + &place;
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
    }));
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let said = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        crate::output::urgent(&format!(
            "error: a defect of limbeck {}: {}; please report it with the command and its files: {}/issues",
            env!("CARGO_PKG_VERSION"),
            said.as_deref().unwrap_or("a panic"),
            env!("CARGO_PKG_REPOSITORY")
        ));
        Exit::Broke
    })
}
