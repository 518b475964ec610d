//! Progress on stderr: bars on a terminal, a plain line every few seconds elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use limbeck::data::progress::Progress;

use crate::{interrupt, output};

/// Time between two plain lines of one piece of work.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// The listener of all long work.
#[derive(Debug)]
pub(crate) struct Reporter {
    mode: Mode,
    works: Mutex<Vec<Work>>,
}

#[derive(Debug)]
enum Mode {
    Quiet,
    Plain,
    Drawn(MultiProgress),
}

#[derive(Debug)]
struct Work {
    label: String,
    unit: String,
    total: u64,
    done: u64,
    began: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Reporter {
    /// A listener that draws, tells or keeps quiet.
    pub(crate) fn new(quiet: bool) -> Self {
        let mode = match (quiet, output::draws()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Drawn(MultiProgress::new()),
            (false, false) => Mode::Plain,
        };
        Self { mode, works: Mutex::new(Vec::new()) }
    }

    fn works(&self) -> MutexGuard<'_, Vec<Work>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    fn sentence(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(1e-9);
        let rate = self.done as f64 / seconds;
        let Self { label, unit, total, done, .. } = self;
        if *total == 0 {
            return format!("{label}: {done} {unit}, {rate:.1}/s");
        }
        let left = total.saturating_sub(*done) as f64 / rate.max(1e-9);
        let eta = if *done == 0 { "unknown".to_owned() } else { clock(left) };
        format!("{label}: {done}/{total} {unit}, {rate:.1}/s, ETA {eta}")
    }
}

/// Seconds as `1h02m`, `3m05s` or `7s`.
fn clock(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

impl Progress for Reporter {
    fn start(&self, label: &str, total: u64, unit: &str) {
        let bar = match &self.mode {
            Mode::Drawn(screen) => Some(draw(screen, label, total, unit)),
            Mode::Plain => {
                let size = if total == 0 { String::new() } else { format!(": {total} {unit}") };
                output::urgent(&format!("{label}{size}"));
                None
            }
            Mode::Quiet => None,
        };
        let now = Instant::now();
        self.works().push(Work {
            label: label.to_owned(),
            unit: unit.to_owned(),
            total,
            done: 0,
            began: now,
            told: now,
            bar,
        });
    }

    fn advance(&self, by: u64) {
        let mut works = self.works();
        let Some(work) = works.last_mut() else { return };
        work.done += by;
        if let Some(bar) = &work.bar {
            bar.inc(by);
        } else if matches!(self.mode, Mode::Plain) && work.told.elapsed() >= PLAIN_INTERVAL {
            work.told = Instant::now();
            output::urgent(&work.sentence());
        }
    }

    fn note(&self, text: &str) {
        match &self.mode {
            Mode::Quiet => {}
            Mode::Plain => output::urgent(text),
            Mode::Drawn(screen) => {
                let _ = screen.println(text);
            }
        }
    }

    fn finish(&self) {
        let Some(work) = self.works().pop() else { return };
        if let Some(bar) = &work.bar {
            bar.finish_and_clear();
        }
        if work.began.elapsed() >= Duration::from_secs(1) {
            self.note(&format!("{}: done in {}", work.label, clock(work.began.elapsed().as_secs_f64())));
        }
    }

    fn cancelled(&self) -> bool {
        interrupt::requested()
    }
}

fn draw(screen: &MultiProgress, label: &str, total: u64, unit: &str) -> ProgressBar {
    let template = if total == 0 {
        "{prefix} {spinner} {human_pos} {msg} {per_sec}"
    } else {
        "{prefix} {wide_bar} {human_pos}/{human_len} {msg} {per_sec} ETA {eta}"
    };
    // Added before anything is set: a bar of its own draws itself each time, and the screen does not clear that.
    let bar = screen.add(if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) });
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(label.to_owned());
    bar.set_message(unit.to_owned());
    bar
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn a_clock_is_short() {
        assert_eq!(clock(7.2), "7s");
        assert_eq!(clock(185.0), "3m05s");
        assert_eq!(clock(3720.0), "1h02m");
    }
}
