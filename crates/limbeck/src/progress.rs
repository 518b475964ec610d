//! Progress on stderr: bars on a terminal, a plain line every few seconds elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use limbeck::data::progress::Progress;

use crate::{interrupt, output};

/// Time between two plain lines of one piece of work.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Work of less than this is not said to be done.
const WORTH_SAYING: Duration = Duration::from_secs(1);

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

/// A piece of work under way.
#[derive(Debug)]
struct Work {
    label: String,
    unit: String,
    total: u64,
    done: u64,
    /// Steps of an earlier process, of which the rate knows nothing.
    before: Arc<AtomicU64>,
    figures: String,
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
    fn new(label: &str, total: u64, unit: &str) -> Self {
        let now = Instant::now();
        Self {
            label: label.to_owned(),
            unit: unit.to_owned(),
            total,
            done: 0,
            before: Arc::default(),
            figures: String::new(),
            began: now,
            told: now,
            bar: None,
        }
    }

    /// How far the work is, as `12/80 steps` or `3.1 MB`.
    fn reached(&self) -> String {
        let Self { unit, total, done, .. } = self;
        match (*total, unit.as_str()) {
            (0, "bytes") => bytes(*done as f64),
            (0, unit) => format!("{done} {unit}"),
            (total, unit) => format!("{done}/{total} {unit}"),
        }
    }

    /// The line that tells of it where nothing is drawn.
    fn sentence(&self) -> String {
        let here = self.done.saturating_sub(self.before.load(Ordering::Relaxed));
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = here as f64 / seconds.max(1e-9);
        let speed = match (self.figures.as_str(), self.unit.as_str()) {
            ("", "bytes") => format!("{}/s", bytes(rate)),
            ("", _) => format!("{rate:.1}/s"),
            (figures, _) => figures.to_owned(),
        };
        let left = self.total.saturating_sub(self.done);
        let eta = left_over(here, left, seconds).map_or_else(String::new, |left| format!(", ETA {left}"));
        format!("{}: {}, {speed}{eta}", self.label, self.reached())
    }

    /// What is said at its end: done only of what was done.
    fn ending(&self, cancelled: bool) -> String {
        let (label, after) = (&self.label, clock(self.began.elapsed().as_secs_f64()));
        let whole = self.total > 0 && self.done >= self.total;
        match (whole, cancelled) {
            (true, _) => format!("{label}: done in {after}"),
            (false, true) => format!("{label}: stopped at {}", self.reached()),
            (false, false) if self.total == 0 => format!("{label}: {} in {after}", self.reached()),
            (false, false) => format!("{label}: ended at {} after {after}", self.reached()),
        }
    }

    fn draw(&self, screen: &MultiProgress) -> ProgressBar {
        // Added before anything is set: a bar of its own draws itself each time, and the screen does not clear that.
        let bar = screen.add(if self.total == 0 {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::new(self.total)
        });
        bar.set_style(self.style(false));
        bar.set_prefix(output::shown(&self.label));
        bar.tick();
        bar
    }

    /// The bar, with a line of figures below where there are any.
    fn style(&self, with_figures: bool) -> ProgressStyle {
        let line = match (self.total, self.unit.as_str()) {
            (0, "bytes") => "{prefix} {spinner} {bytes} {bytes_per_sec}".to_owned(),
            (0, unit) => format!("{{prefix}} {{spinner}} {{human_pos}} {unit}"),
            (_, unit) => format!("{{prefix}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit}{{left}}"),
        };
        let template = if with_figures { format!("{line}\n  {{wide_msg}}") } else { line };
        let before = Arc::clone(&self.before);
        let left = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let here = state.pos().saturating_sub(before.load(Ordering::Relaxed));
            let left = state.len().unwrap_or_default().saturating_sub(state.pos());
            if let Some(left) = left_over(here, left, state.elapsed().as_secs_f64()) {
                let _ = write!(out, " ETA {left}");
            }
        };
        ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("left", left)
    }
}

/// The time that `left` steps take when `here` steps took `seconds`; unknown before the first step is done.
fn left_over(here: u64, left: u64, seconds: f64) -> Option<String> {
    (here > 0 && left > 0).then(|| clock(left as f64 * seconds / here as f64))
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

/// A size in megabytes, or in kilobytes where it is small.
fn bytes(size: f64) -> String {
    if size < 1e6 { format!("{:.0} kB", size / 1e3) } else { format!("{:.1} MB", size / 1e6) }
}

impl Progress for Reporter {
    fn start(&self, label: &str, total: u64, unit: &str) {
        let mut work = Work::new(label, total, unit);
        match &self.mode {
            Mode::Drawn(screen) => work.bar = Some(work.draw(screen)),
            Mode::Plain => {
                let size = if total == 0 { String::new() } else { format!(": {total} {unit}") };
                output::urgent(&format!("{label}{size}"));
            }
            Mode::Quiet => {}
        }
        self.works().push(work);
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

    fn resume(&self, by: u64) {
        let mut works = self.works();
        let Some(work) = works.last_mut() else { return };
        work.done += by;
        work.before.fetch_add(by, Ordering::Relaxed);
        if let Some(bar) = &work.bar {
            bar.inc(by);
        }
    }

    fn figures(&self, text: &str) {
        let mut works = self.works();
        let Some(work) = works.last_mut() else { return };
        if let Some(bar) = &work.bar {
            if work.figures.is_empty() {
                bar.set_style(work.style(true));
            }
            bar.set_message(output::shown(text));
        }
        text.clone_into(&mut work.figures);
    }

    fn note(&self, text: &str) {
        match &self.mode {
            Mode::Quiet => {}
            Mode::Plain => output::urgent(text),
            Mode::Drawn(screen) => {
                let _ = screen.println(output::shown(text));
            }
        }
    }

    fn finish(&self) {
        let Some(work) = self.works().pop() else { return };
        if let Some(bar) = &work.bar {
            bar.finish_and_clear();
        }
        let cancelled = interrupt::requested();
        if work.began.elapsed() >= WORTH_SAYING || cancelled {
            self.note(&work.ending(cancelled));
        }
    }

    fn cancelled(&self) -> bool {
        interrupt::requested()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_short() {
        assert_eq!(clock(7.2), "7s");
        assert_eq!(clock(185.0), "3m05s");
        assert_eq!(clock(3720.0), "1h02m");
    }

    #[test]
    fn time_left_is_unknown_before_the_first_step_of_this_process() {
        let mut work = Work::new("training student", 80, "steps");
        assert_eq!(work.sentence(), "training student: 0/80 steps, 0.0/s");
        // Forty steps of an earlier process say nothing of this one's speed.
        work.done = 40;
        work.before.store(40, Ordering::Relaxed);
        assert!(!work.sentence().contains("ETA"), "{}", work.sentence());
        work.done = 50;
        work.figures = "loss 2.310, learning rate 3.0e-4, 412 tokens/s".into();
        let told = work.sentence();
        assert!(
            told.starts_with("training student: 50/80 steps, loss 2.310") && told.contains("ETA"),
            "{told}"
        );
        assert_eq!(left_over(10, 30, 20.0).as_deref(), Some("1m00s"));
    }

    #[test]
    fn done_is_said_of_what_was_done() {
        let mut work = Work::new("sweep", 80, "blocks");
        work.done = 12;
        assert_eq!(work.ending(true), "sweep: stopped at 12/80 blocks");
        assert_eq!(work.ending(false), "sweep: ended at 12/80 blocks after 0s");
        work.done = 80;
        assert_eq!(work.ending(true), "sweep: done in 0s");
        let mut unknown = Work::new("fetching", 0, "bytes");
        unknown.done = 2_500_000;
        assert_eq!(unknown.ending(true), "fetching: stopped at 2.5 MB");
        assert_eq!(unknown.ending(false), "fetching: 2.5 MB in 0s");
    }
}
